"""Videos made with PyAV from what tests ask of them."""

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from tests.media.pictures import numbered

if TYPE_CHECKING:
    from av.container.core import Chapter

QUICK: Final = {"libx264": {"preset": "ultrafast"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}}
SOUND_RATE: Final = 48_000
Paint = Callable[[int, int, int], Image.Image]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """A video stream; `instants` (in ticks of `time_base`) win over an even `rate`."""

    codec: str = "libx264"
    width: int = 192
    height: int = 128
    count: int = 50
    rate: Fraction = Fraction(25)
    instants: Sequence[int] | None = None
    time_base: Fraction | None = None
    pixel_format: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    keyframe_every: int = 12
    turned: int = 0
    """Degrees counterclockwise a player turns it, as phones write it; 0, 90, 180 or -90."""
    aspect: Fraction | None = None
    colours: tuple[int, int, int] | None = None
    """Primaries, transfer and matrix by their numbers in ITU-T H.273."""
    fields: str | None = None
    """Which field of each picture is taken first, `tff` or `bff`; None of whole pictures."""
    paint: Paint = numbered


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sine of 440 Hz."""

    codec: str = "aac"
    seconds: float = 2.0
    layout: str = "stereo"
    rate: int = SOUND_RATE
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class Film:
    """What a file is to hold."""

    pictures: Pictures | None = None
    sound: Sound | None = None
    container: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    chapters: Sequence[tuple[float, float, str]] = ()
    """Start and end in seconds, and title."""


def write_film(path: Path, film: Film) -> Path:
    """Encode and mux a film; returns `path`."""
    with av.open(str(path), "w", format=film.container, options=dict(film.options)) as container:
        container.metadata.update(film.metadata)
        if film.chapters:
            container.set_chapters([_chapter(number, *chapter) for number, chapter in enumerate(film.chapters)])
        video = film.pictures and _add_pictures(container, film.pictures)
        audio = film.sound and _add_sound(container, film.sound)
        container.start_encoding()
        if film.pictures and video:
            _encode_pictures(container, video, film.pictures)
        if film.sound and audio:
            _encode_sound(container, audio, film.sound)
    return path


def _chapter(number: int, start: float, end: float, title: str) -> "Chapter":
    milliseconds = Fraction(1, 1000)
    return {
        "id": number,
        "start": round(start / milliseconds),
        "end": round(end / milliseconds),
        "time_base": milliseconds,
        "metadata": {"title": title},
    }


def _add_pictures(container: OutputContainer, pictures: Pictures) -> VideoStream:
    options = {"g": str(pictures.keyframe_every)} | QUICK.get(pictures.codec, {}) | dict(pictures.options)
    stream = container.add_stream(pictures.codec, rate=pictures.rate, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, pictures.pixel_format
    if pictures.time_base is not None:
        stream.codec_context.time_base = pictures.time_base
    if pictures.aspect is not None:
        stream.codec_context.sample_aspect_ratio = pictures.aspect
    if pictures.colours is not None:
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace = pictures.colours
        context.color_range = 1
    if pictures.turned:
        stream.set_display_rotation(pictures.turned)
    return stream


def _encode_pictures(container: OutputContainer, stream: VideoStream, pictures: Pictures) -> None:
    time_base = pictures.time_base or 1 / pictures.rate
    instants = pictures.instants if pictures.instants is not None else range(pictures.count)
    ends = [*instants[1:], instants[-1] + 1] if instants else []
    for number, (instant, end) in enumerate(zip(instants, ends, strict=True)):
        picture = pictures.paint(number, pictures.width, pictures.height)
        frame = _frame_of(picture)
        frame = frame.reformat(format=pictures.pixel_format)
        frame.pts, frame.duration, frame.time_base = instant, end - instant, time_base
        if pictures.fields is not None:
            frame = _flagged(frame, pictures.fields)
        container.mux(stream.encode(frame))
    if instants:
        container.mux(stream.encode(None))


def _frame_of(picture: Image.Image) -> VideoFrame:
    if picture.mode != "RGBA":
        return VideoFrame.from_image(picture)  # type: ignore[no-untyped-call, no-any-return]
    frame = VideoFrame(picture.width, picture.height, "rgba")
    (plane,) = frame.planes
    padding = bytes(plane.line_size - 4 * picture.width)
    rows = (picture.crop((0, line, picture.width, line + 1)).tobytes() for line in range(picture.height))
    plane.update(b"".join(row + padding for row in rows))
    return frame


def _flagged(frame: VideoFrame, fields: str) -> VideoFrame:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
    )
    graph.link_nodes(source, graph.add("setfield", fields), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def _add_sound(container: OutputContainer, sound: Sound) -> AudioStream:
    stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    assert isinstance(stream, AudioStream)
    if sound.language is not None:
        stream.metadata["language"] = sound.language
    return stream


def _encode_sound(container: OutputContainer, stream: AudioStream, sound: Sound) -> None:
    channels = stream.codec_context.layout.nb_channels
    for start in range(0, round(sound.seconds * sound.rate), 1024):
        samples = [round(8_000 * math.sin(math.tau * 440 * n / sound.rate)) for n in range(start, start + 1024)]
        frame = AudioFrame(format="s16", layout=sound.layout, samples=1024)
        frame.planes[0].update(array("h", [sample for sample in samples for _ in range(channels)]).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = sound.rate, start, Fraction(1, sound.rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
