"""Hostile files cause neither requests nor other files to be read, and fail in one of three ways only."""

import json
import shutil
import socket
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Thread

import av
import pytest
from PIL import Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.images import open_image
from media_analysis.media.opening import open_media
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe
from tests.media import clips, stills

ROOT = Path(__file__).parents[2]


@dataclass
class Listener:
    """Accepts connections on this machine, counts them and hangs up."""

    socket: socket.socket
    visits: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/secret.ts"

    def listen(self) -> None:
        while True:
            try:
                visitor, address = self.socket.accept()
            except OSError:
                return
            self.visits.append(str(address))
            visitor.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = Listener(server)
        thread = Thread(target=listening.listen)
        thread.start()
        yield listening
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def playlists(target: str) -> dict[str, str]:
    """Return documents of many kinds that all ask a player to open `target`."""
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
        "hls_key": f'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
        f"#EXTINF:1,\n{target}\n",
        "m3u": f"{target}\n",
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "smil": f'<smil><body><video src="{target}"/></body></smil>',
        "asx": f'<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
        "asf_reference": f"[Reference]\nRef1={target}\n",
        "ram": f"{target}\n",
        "rtsp_text": f"RTSPtext\nrtsp://{target}\n",
        "svg": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{target}" width="9" height="9"/></svg>',
        "xml_entity": f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY y SYSTEM "{target}">]><MPD>&y;</MPD>',
        "avisynth": f'FFmpegSource2("{target}")\n',
        "ffmetadata": f";FFMETADATA1\ntitle={target}\n",
    }


def _reference_film(target: Path) -> bytes:
    """Return a QuickTime film whose samples are said to lie in another file, by a Macintosh alias."""
    content = bytearray(clips.h264().read_bytes())
    own = (12).to_bytes(4) + b"url " + bytes(3) + b"\1"
    path = str(target).encode().ljust(len(str(target)) + len(str(target)) % 2, b"\0")
    absolute = (2).to_bytes(2) + len(path).to_bytes(2) + path + b"\xff\xff\0\0"
    alias = bytes(4 + 10 + 28 + 12 + 64 + 16 + 4 + 16) + absolute
    other = (len(alias) + 8).to_bytes(4) + b"alis" + alias
    at = content.index(own)
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        size_at = content.rindex(box, 0, at) - 4
        size = int.from_bytes(content[size_at : size_at + 4]) + len(other) - len(own)
        content[size_at : size_at + 4] = size.to_bytes(4)
    content[at : at + len(own)] = other
    return bytes(content)


KINDS = sorted(playlists(""))


@pytest.mark.parametrize("name", ["upload.mp4", "upload.m3u8", "upload"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_playlist_is_refused_and_nobody_is_asked(kind: str, name: str, listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(playlists(listener.url)[kind])

    with pytest.raises(UnsupportedMedia):
        probe(path, Limits())

    assert listener.visits == []


def test_the_bait_works_where_it_is_taken(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "playlist.m3u8"
    path.write_text(playlists(listener.url)["hls"])

    with pytest.raises(av.FFmpegError):
        av.open(str(path), options={"protocol_whitelist": "file,http,tcp"}, timeout=5)

    assert len(listener.visits) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_playlist_of_files_here_is_refused(kind: str, tmp_path: Path) -> None:
    shutil.copy(clips.transport_stream(), tmp_path / "secret.ts")

    for target in ("secret.ts", str(tmp_path / "secret.ts"), f"file://{tmp_path}/secret.ts", "/etc/passwd"):
        path = tmp_path / "upload.mp4"
        path.write_text(playlists(target)[kind])
        with pytest.raises(UnsupportedMedia):
            probe(path, Limits())


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_kernel_sees_no_other_file_opened_and_no_socket(tmp_path: Path) -> None:
    secret = Path(shutil.copy(clips.h264(), tmp_path / "secret.mp4"))
    for kind, content in playlists(str(secret)).items():
        (tmp_path / f"upload_{kind}").write_text(content)
    (tmp_path / "upload_reference").write_bytes(_reference_film(secret))
    program = (
        "import sys; from pathlib import Path; from media_analysis.media.probe import probe\n"
        "from media_analysis.media.options import Limits\n"
        "for path in sorted(Path(sys.argv[1]).glob('upload_*')):\n"
        "    try: probe(path, Limits())\n"
        "    except Exception: pass\n"
    )

    trace = tmp_path / "trace"
    subprocess.run(
        [
            "strace",
            "-f",
            "-o",
            trace,
            "-e",
            "trace=openat,open,connect,socket,execve",
            sys.executable,
            "-c",
            program,
            tmp_path,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )

    seen = trace.read_text()
    assert "upload_hls" in seen
    assert "upload_reference" in seen
    assert str(secret) not in seen
    assert "socket(" not in seen
    assert "connect(" not in seen


def test_samples_in_another_file_are_not_followed(tmp_path: Path) -> None:
    secret = Path(shutil.copy(clips.h264(), tmp_path / "secret.mp4"))
    path = tmp_path / "upload.mp4"
    path.write_bytes(_reference_film(secret))

    with open_media(path, Limits()) as container:
        decoded = list(container.decode(video=0))
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as careless:
        followed = list(careless.decode(video=0))

    assert decoded == []
    assert len(followed) == 50, "the bait works where it is taken"
    assert probe(path, Limits()).rotation_degrees is None


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _gif(width: int, height: int) -> bytes:
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x80\0\0" + bytes(6)
    frame = b"," + bytes(4) + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\0\x02\x02L\x01\0"
    return b"GIF89a" + screen + frame + b";"


def _webp(width: int, height: int) -> bytes:
    canvas = b"\x02\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + (10).to_bytes(4, "little") + canvas
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _bmp(width: int, height: int) -> bytes:
    header = (40).to_bytes(4, "little") + width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return b"BM" + bytes(8) + (54).to_bytes(4, "little") + header + b"\1\0\x18\0" + bytes(64)


def _tiff(width: int, height: int) -> bytes:
    tags = ((256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 100))
    entries = b"".join(
        tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, value in tags
    )
    return b"II*\0" + (8).to_bytes(4, "little") + len(tags).to_bytes(2, "little") + entries + bytes(4)


@pytest.mark.parametrize(
    "bomb",
    [
        _png(100_000, 100_000, zlib.compress(bytes(1_000_000))),
        _png(2**31 - 1, 2**31 - 1, b""),
        _png(20_000, 6_711, zlib.compress(bytes(100))),
        _gif(65_535, 65_535),
        _bmp(100_000, 100_000),
        _tiff(2**31, 2**31),
    ],
    ids=["png", "png_huge", "png_just_above", "gif", "bmp", "tiff"],
)
def test_declared_pixels_are_counted_before_any_is_made(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb)

    with pytest.raises(MediaLimitPassed) as refused:
        probe(path, Limits())

    assert refused.value.what == "pixels"


def test_a_canvas_that_webp_cannot_fill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(_webp(16_384, 16_384))

    with pytest.raises((CorruptMedia, MediaLimitPassed)):
        probe(path, Limits())


def test_a_frame_beyond_its_screen_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(_gif(10, 10).replace(b"," + bytes(4) + b"\x0a\0\x0a\0", b"," + bytes(4) + b"\xff\xff\xff\xff"))

    with pytest.raises(MediaLimitPassed), open_image(path, Limits()) as image:
        image.load()


def test_text_that_unpacks_to_gigabytes_is_corrupt(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(80)) + packer.flush()
    comment = b"zTXt" + b"note\0\0" + packed
    content = _png(1, 1, zlib.compress(bytes(4)))
    chunk = (len(comment) - 4).to_bytes(4) + comment + zlib.crc32(comment).to_bytes(4)
    path = tmp_path / "bomb.png"
    path.write_bytes(content[:33] + chunk + content[33:])

    with pytest.raises(CorruptMedia):
        probe(path, Limits())


def _jpeg_and_zip() -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("evil.sh", "exit 1")
    return stills.jpeg().read_bytes() + archive.getvalue()


def test_an_archive_behind_a_jpeg_is_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    path.write_bytes(_jpeg_and_zip())

    assert probe(path, Limits()).format == "jpeg"


def test_a_playlist_behind_a_gif_is_a_gif(listener: Listener, tmp_path: Path) -> None:
    path = tmp_path / "both.m3u8"
    path.write_bytes(stills.animated_gif().read_bytes() + playlists(listener.url)["hls"].encode())

    assert probe(path, Limits()).format == "gif"
    assert listener.visits == []


def _nested(depth: int) -> bytes:
    content = b""
    for _ in range(depth):
        content = (len(content) + 8).to_bytes(4) + b"moov" + content
    return content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\x99" * 10_000,
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + _nested(5_000),
        b"\0\0\0\x01ftyp" + b"\xff" * 100,
        b"\x1a\x45\xdf\xa3" + b"\xff" * 5_000,
        b"RIFF\xff\xff\xff\xffAVI LIST\xff\xff\xff\xffhdrl" + bytes(500),
        b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 100,
        b"OggS" + b"\xff" * 5_000,
        b"fLaC" + b"\xff" * 5_000,
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(500),
        b"\xff\xd8\xff" + b"\xff" * 5_000,
        b"GIF89a",
        b"BM" + bytes(12) + b"\x28",
        b"just a text",
        b"\x89PNG\r\n\x1a\n",
        b"\xff" * 5_000,
    ],
)
def test_garbage_behind_a_good_beginning_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "upload.mp4"
    path.write_bytes(content)

    with pytest.raises((CorruptMedia, UnsupportedMedia)):
        probe(path, Limits())


def test_declared_dimensions_of_a_video_are_not_believed_and_not_allocated(tmp_path: Path) -> None:
    content = clips.hevc().read_bytes()
    size = (192).to_bytes(2) + (128).to_bytes(2)
    path = tmp_path / "upload.mp4"
    path.write_bytes(content.replace(size + b"\0\x48\0\0", b"\xff\xff\xff\xff\0\x48\0\0"))

    with pytest.raises((MediaLimitPassed, CorruptMedia)) as refused, open_media(path, Limits(max_pixels=192 * 128 - 1)):
        pass

    assert refused.value.code in {"media_limit_passed", "corrupt_media"}


def test_a_declared_duration_of_centuries_is_refused(tmp_path: Path) -> None:
    content = clips.matroska().read_bytes()
    at = content.index(b"\x44\x89\x88") + 3
    path = tmp_path / "upload.mkv"
    path.write_bytes(content[:at] + b"\x42\xa0\0\0\0\0\0\0" + content[at + 8 :])

    with pytest.raises(MediaLimitPassed) as refused:
        probe(path, Limits())

    assert refused.value.what == "seconds"


def test_a_hundred_tracks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tracks.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("pcm_s16le", rate=8_000, layout="mono") for _ in range(100)]
        container.start_encoding()
        frame = av.AudioFrame(format="s16", layout="mono", samples=100)
        frame.sample_rate = 8_000
        for track in tracks:
            frame.pts = 0
            container.mux(track.encode(frame))

    with pytest.raises(MediaLimitPassed) as refused:
        probe(path, Limits())

    assert (refused.value.what, refused.value.found) == ("streams", 100)


def _broken_exif() -> bytes:
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + b"\xff" * 300)
    return picture.getvalue()


def test_broken_camera_notes_do_not_hide_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    path.write_bytes(_broken_exif())

    told = probe(path, Limits())

    assert (told.width, told.height) == (8, 8)


DAMAGED: list[tuple[Callable[[], Path], ...]] = [
    (clips.with_sound, clips.transport_stream, clips.vp9),
    (stills.jpeg, stills.animated_gif, stills.tiff),
]


@pytest.mark.parametrize("originals", DAMAGED, ids=["clips", "images"])
def test_damaged_files_are_told_or_refused_and_nothing_else(originals: tuple[Callable[[], Path], ...]) -> None:
    paths = [str(original()) for original in originals]

    finished = subprocess.run(
        [sys.executable, "-m", "tests.media.mutating", "4", "70", *paths],
        cwd=ROOT,
        check=False,
        capture_output=True,
        timeout=120,
    )

    assert finished.returncode == 0, finished.stderr.decode()
    report = json.loads(finished.stdout)
    assert report["wrong"] == []
    assert report["outcomes"]["document"] > 20
    assert report["outcomes"]["corrupt_media"] > 5
