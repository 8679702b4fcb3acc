"""Animated PNG (PNG, third edition, sections 4.9 and 11.3.6): its frames, composed as browsers show them."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Final

from PIL import Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.options import Limits
from media_analysis.media.pictures import plain

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER: Final = struct.Struct(">II5B")
_CONTROL: Final = struct.Struct(">IIIIIHHBB")
_KEPT: Final = frozenset({b"PLTE", b"tRNS"})
_TO_BACKGROUND, _TO_PREVIOUS = 1, 2
_OVER: Final = 1
_UNSAID_DENOMINATOR: Final = 100
_GREYS: Final = frozenset({0, 4})
"""Colour types, whose canvas keeps them grey, for a profile may be one of grey."""


@dataclass(kw_only=True, slots=True)
class Frame:
    """A part of the canvas that changes."""

    size: tuple[int, int]
    place: tuple[int, int]
    milliseconds: float
    disposal: int
    blend: int
    data: list[tuple[int, int]] = field(default_factory=list)
    """Where its compressed pixels lie, and how many bytes they are."""


@dataclass(kw_only=True, slots=True)
class AnimatedPng:
    """What stands in an animated PNG; its default image is among the frames only where it says so."""

    header: tuple[int, ...] = ()
    kept: list[tuple[bytes, bytes]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)


def is_composed(image: Image.Image) -> bool:
    """Whether an opened image is an animated PNG, or one whose only frame is not its default image."""
    return image.format == "PNG" and (image.info.get("default_image") is True or getattr(image, "n_frames", 1) > 1)


def composed(file: IO[bytes], image: Image.Image, limits: Limits) -> Iterator[Image.Image]:
    """Yield each frame as it is shown, with the `info` of the opened image and how long it lasts, in milliseconds.

    Raises:
        CorruptMedia: a frame cannot be decoded, or lies outside of the canvas.
        MediaLimitPassed: there are more chunks than `limits.max_packets`.

    """
    animation = _read(file, limits)
    mode = "LA" if animation.header and animation.header[3] in _GREYS else "RGBA"
    canvas = Image.new(mode, image.size)
    for number, frame in enumerate(animation.frames):
        right, bottom = frame.place[0] + frame.size[0], frame.place[1] + frame.size[1]
        if right > canvas.width or bottom > canvas.height:
            raise CorruptMedia("a frame lies outside of the picture")
        picture = _decoded(file, animation, frame).convert(mode)
        before = canvas.copy() if frame.disposal == _TO_PREVIOUS and number else None
        if frame.blend == _OVER:
            beneath = canvas.crop((*frame.place, right, bottom))
            picture = Image.alpha_composite(beneath, picture)
        canvas.paste(picture, frame.place)
        shown = canvas.copy()
        shown.info = {**image.info, "duration": frame.milliseconds}
        shown.info.pop("transparency", None)
        shown.format = "PNG"
        yield shown
        if before is not None:
            canvas = before
        elif frame.disposal in {_TO_BACKGROUND, _TO_PREVIOUS}:
            canvas.paste(Image.new(mode, frame.size), frame.place)


def _read(file: IO[bytes], limits: Limits) -> AnimatedPng:
    animation = AnimatedPng()
    told = 0
    file.seek(len(_SIGNATURE))
    for number in range(limits.max_packets + 1):
        if number == limits.max_packets:
            raise MediaLimitPassed("chunks", found=number + 1, allowed=limits.max_packets)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":  # noqa: PLR2004 - length and kind
            break
        length, kind, place = int.from_bytes(head[:4]), head[4:], file.tell()
        if kind == b"IHDR":
            animation.header = _HEADER.unpack(file.read(_HEADER.size))
        elif kind == b"acTL":
            told = int.from_bytes(file.read(4))
        elif kind in _KEPT:
            animation.kept.append((kind, file.read(length)))
        elif kind == b"fcTL" and len(animation.frames) < told:
            animation.frames.append(_frame(file.read(_CONTROL.size)))
        elif kind in {b"IDAT", b"fdAT"} and animation.frames:
            skipped = 4 if kind == b"fdAT" else 0
            animation.frames[-1].data.append((place + skipped, length - skipped))
        file.seek(place + length + 4)
    return animation


def _frame(content: bytes) -> Frame:
    try:
        _, width, height, left, top, delay, denominator, disposal, blend = _CONTROL.unpack(content)
    except struct.error as error:
        raise CorruptMedia("the animation ends within a frame") from error
    milliseconds = 1000 * delay / (denominator or _UNSAID_DENOMINATOR)
    return Frame(size=(width, height), place=(left, top), milliseconds=milliseconds, disposal=disposal, blend=blend)


def _decoded(file: IO[bytes], animation: AnimatedPng, frame: Frame) -> Image.Image:
    """Decode one frame's own pixels, as a PNG of their own."""
    content = bytearray(_SIGNATURE)
    content += _chunk(b"IHDR", _HEADER.pack(*frame.size, *animation.header[2:]))
    for kind, kept in animation.kept:
        content += _chunk(kind, kept)
    data = bytearray()
    for place, length in frame.data:
        file.seek(place)
        data += file.read(length)
    content += _chunk(b"IDAT", bytes(data)) + _chunk(b"IEND", b"")
    with Image.open(BytesIO(content), formats=("PNG",)) as picture:
        picture.load()
        return plain(picture).copy()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)
