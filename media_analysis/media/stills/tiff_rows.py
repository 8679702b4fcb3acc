"""Deep TIFFs that Pillow does not read, or reads wrongly, decoded some rows at a time or by FFmpeg."""

import struct
import sys
from array import array
from collections.abc import Iterator
from typing import IO, Final, cast

import av
from av.video.frame import VideoFrame
from PIL import Image, ImageOps

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.stills.tiff_directories import Layout
from media_analysis.media.stills.tiff_kinds import (
    BLACK_IS_ZERO,
    CMYK,
    FLOATING,
    RGB,
    SIGNED,
    UNCOMPRESSED,
    UNSIGNED,
    WHITE_IS_ZERO,
    PixelFormat,
)

MAX_BYTES: Final = 256 * 2**20
"""The decoder takes the picture at once."""
_WORD, _LONG = 3, 4
_ENTRY_VALUE: Final = 4
_COMPRESSIONS: Final = frozenset({5, 8, 32_773, 32_946})
_KINDS: Final = frozenset({(RGB, FLOATING, 32, 3), (RGB, FLOATING, 32, 4), (BLACK_IS_ZERO, UNSIGNED, 16, 2)})
_GREEN_FIRST: Final = (2, 0, 1, 3)
"""Where red, green, blue and alpha are among the decoder's planes."""
_PIXELS_AT_ONCE: Final = 2**18
_COLOURS: Final = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, CMYK: 4}
_MODES: Final = {1: "L", 3: "RGB", 4: "CMYK"}
_WITH_ALPHA: Final = {("L", 1): "La", ("L", 2): "LA", ("RGB", 1): "RGBa", ("RGB", 2): "RGBA"}
"""By what the first further sample is: alpha that colours are multiplied by, or not."""
_WIDTHS: Final = {UNSIGNED: {8, 16, 32}, SIGNED: {8, 16, 32}, FLOATING: {16, 32, 64}}
_RAW_FLOATS: Final = {32: ("F;32F", "F;32BF"), 64: ("F;64F", "F;64BF")}
_SIGN: Final = bytes(value ^ 0x80 for value in range(256))
_HALF: Final = 16


def reads(kind: PixelFormat) -> bool:
    """Whether `picture_of` decodes it: strips of grey, RGB or CMYK of 8 to 64 bits, of which few may be compressed."""
    return not kind.tiled and min(kind.size) > 0 and (_is_stored_plainly(kind) or is_decoded(kind))


def _is_stored_plainly(kind: PixelFormat) -> bool:
    known = kind.photometric in _COLOURS and kind.bits in _WIDTHS.get(kind.sample_format, ())
    enough = known and kind.samples >= _COLOURS[kind.photometric]
    return enough and kind.compression == UNCOMPRESSED


def picture_of(file: IO[bytes], layout: Layout, kind: PixelFormat) -> Image.Image:
    """Decode it to eight bits: whole numbers keep their upper ones, floating point is from 0 (black) to 1 (white).

    Of signed numbers the lowest is black.

    Raises:
        CorruptMedia: its pixels end too early.

    """
    if Image.MAX_IMAGE_PIXELS is not None and kind.size[0] * kind.size[1] > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{kind.size[0] * kind.size[1]} pixels")
    colours = _COLOURS[kind.photometric]
    further = kind.extra[0] if kind.samples > colours and kind.extra else 0
    mode = _WITH_ALPHA.get((_MODES[colours], further), _MODES[colours])
    bands = colours + (mode in _WITH_ALPHA.values())
    image = Image.new(mode, kind.size)
    at_once = max(1, _PIXELS_AT_ONCE // kind.size[0])
    blocks = (
        _strips(file, kind, bands, at_once) if _is_stored_plainly(kind) else decoded_rows(file, layout, kind, at_once)
    )
    for top, rows, stored in blocks:
        shades = [_shades(samples, layout, kind) for samples in stored]
        planes = shades if kind.planar else [shades[0][band :: kind.samples] for band in range(bands)]
        picture = Image.merge(mode, [Image.frombytes("L", (kind.size[0], rows), plane) for plane in planes])
        image.paste(picture, (0, top))
    if kind.photometric == WHITE_IS_ZERO:
        grey, *alpha = image.split()
        image = Image.merge(mode, [ImageOps.invert(grey), *alpha])
    return image.convert(mode.upper()) if mode.endswith("a") else image


def _strips(file: IO[bytes], kind: PixelFormat, bands: int, at_once: int) -> Iterator[tuple[int, int, list[bytes]]]:
    """Yield the first row, how many rows there are, and their samples: of all bands together, or of each."""
    width, height = kind.size
    per_plane = -(-height // kind.rows_per_strip)
    row_bytes = width * kind.bits // 8 * (1 if kind.planar else kind.samples)
    for top in range(0, height, at_once):
        rows = min(at_once, height - top)
        planes = [bytearray() for _ in range(bands if kind.planar else 1)]
        for first, number in _pieces(top, top + rows, kind.rows_per_strip):
            strip, within = divmod(first, kind.rows_per_strip)
            for band, plane in enumerate(planes):
                plane.extend(_read(file, kind, strip + band * per_plane, within * row_bytes, number * row_bytes))
        yield top, rows, [bytes(plane) for plane in planes]


def _pieces(start: int, stop: int, rows_per_strip: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        rows = min(stop - start, rows_per_strip - start % rows_per_strip)
        yield start, rows
        start += rows


def _read(file: IO[bytes], kind: PixelFormat, strip: int, start: int, size: int) -> bytes:
    content = b""
    if strip < len(kind.strips):
        file.seek(kind.strips[strip] + start)
        content = file.read(size)
    if len(content) < size:
        raise CorruptMedia("the image ends before its last row")
    return content


def _shades(content: bytes, layout: Layout, kind: PixelFormat) -> bytes:
    """Return the upper eight bits of each sample."""
    sample_bytes = kind.bits // 8
    if kind.sample_format == FLOATING:
        return _float_shades(content, layout, kind.bits)
    highest = content[(sample_bytes - 1 if layout.order == "<" else 0) :: sample_bytes]
    return highest.translate(_SIGN) if kind.sample_format == SIGNED else highest


def _float_shades(content: bytes, layout: Layout, bits: int) -> bytes:
    size = (len(content) * 8 // bits, 1)
    if bits == _HALF:
        numbers = array("f", struct.unpack(f"{layout.order}{size[0]}e", content))
        samples = Image.frombytes(
            "F", size, numbers.tobytes(), "raw", f"F;32{'' if sys.byteorder == 'little' else 'B'}F"
        )
    else:
        little, big = _RAW_FLOATS[bits]
        samples = Image.frombytes("F", size, content, "raw", little if layout.order == "<" else big)
    return samples.point(lambda value: value * 255 + 0.5).convert("L").tobytes()


def is_decoded(kind: PixelFormat) -> bool:
    """Whether the decoder gives the picture's samples as they were stored."""
    described = kind.photometric, kind.sample_format, kind.bits, kind.samples
    stored_together = not kind.planar or kind.photometric == RGB
    return described in _KINDS and kind.compression in _COMPRESSIONS and stored_together


def decoded_rows(
    file: IO[bytes], layout: Layout, kind: PixelFormat, at_once: int
) -> Iterator[tuple[int, int, list[bytes]]]:
    """Yield the first row, how many rows there are, and their samples: of all bands together, or of each.

    Raises:
        CorruptMedia: they cannot be decoded.
        MediaLimitPassed: it takes more than `MAX_BYTES`.

    """
    frame = _frame(file, layout, kind)
    order = _GREEN_FIRST[: len(frame.planes)] if kind.planar else (0,)
    planes = [frame.planes[place] for place in order]
    row_bytes = kind.size[0] * kind.bits // 8 * (1 if kind.planar else kind.samples)
    for top in range(0, frame.height, at_once):
        rows = min(at_once, frame.height - top)
        lines = [memoryview(cast("bytes", plane))[top * plane.line_size :] for plane in planes]
        yield (
            top,
            rows,
            [
                b"".join(block[row * plane.line_size :][:row_bytes] for row in range(rows))
                for plane, block in zip(planes, lines, strict=True)
            ],
        )


def _frame(file: IO[bytes], layout: Layout, kind: PixelFormat) -> VideoFrame:
    decoder = av.CodecContext.create("tiff", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}
    try:
        frames = decoder.decode(av.Packet(_alone(file, layout, kind))) + decoder.decode(None)
    except av.FFmpegError as error:
        raise CorruptMedia("the image cannot be decoded") from error
    if not frames or (frames[0].width, frames[0].height) != kind.size:
        raise CorruptMedia("the image cannot be decoded")
    return frames[0]


def _alone(file: IO[bytes], layout: Layout, kind: PixelFormat) -> bytes:
    """Return a TIFF of this picture and what it takes to decode it: the decoder refuses tags that it does not know."""
    found = sum(kind.strip_bytes)
    if len(kind.strips) != len(kind.strip_bytes):
        raise CorruptMedia("the image does not tell where it lies")
    if found > MAX_BYTES:
        raise MediaLimitPassed("bytes_of_compressed_samples", found=found, allowed=MAX_BYTES)
    places, content = list[int](), bytearray()
    head = struct.calcsize("2sHI")
    for place, size in zip(kind.strips, kind.strip_bytes, strict=True):
        file.seek(place)
        places.append(head + len(content))
        content += file.read(size)
    words = {258: [kind.bits] * kind.samples, 259: [kind.compression], 262: [kind.photometric], 277: [kind.samples]}
    words |= {284: [1 + kind.planar], 317: [kind.predictor]}
    longs = {256: kind.size[:1], 257: kind.size[1:], 273: places, 278: [kind.rows_per_strip], 279: kind.strip_bytes}
    entries, order = b"", layout.order
    for tag, numbers in sorted((words | longs).items()):
        letter, number = ("I", _LONG) if tag in longs else ("H", _WORD)
        value = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(value) > _ENTRY_VALUE:
            place = head + len(content)
            content += value
            value = struct.pack(f"{order}I", place)
        entries += struct.pack(f"{order}HHI", tag, number, len(numbers)) + value.ljust(_ENTRY_VALUE, b"\0")
    start = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, head + len(content))
    return start + content + struct.pack(f"{order}H", len(words) + len(longs)) + entries + bytes(_ENTRY_VALUE)
