"""Compressed TIFFs of floating point, and of grey with alpha in 16 bits, by FFmpeg's decoder."""

import struct
from collections.abc import Iterator
from typing import IO, Final, cast

import av
from av.video.frame import VideoFrame

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.stills.tiff_directories import Layout
from media_analysis.media.stills.tiff_kinds import BLACK_IS_ZERO, FLOATING, RGB, UNSIGNED, PixelFormat

MAX_BYTES: Final = 256 * 2**20
"""The decoder takes the picture at once."""
_WORD, _LONG = 3, 4
_ENTRY_VALUE: Final = 4
_COMPRESSIONS: Final = frozenset({5, 8, 32_773, 32_946})
_KINDS: Final = frozenset({(RGB, FLOATING, 32, 3), (RGB, FLOATING, 32, 4), (BLACK_IS_ZERO, UNSIGNED, 16, 2)})
_GREEN_FIRST: Final = (2, 0, 1, 3)
"""Where red, green, blue and alpha are among the decoder's planes."""


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
