"""TIFF and DNG opened as the picture they are of, not as its preview; with float RGB, which Pillow does not read."""

import struct
from io import RawIOBase
from typing import IO, Final, cast

from PIL import Image, UnidentifiedImageError

from media_analysis.errors.media import CorruptMedia, UnsupportedMedia
from media_analysis.media.tiff_directories import Directory, Layout, directory_at, first_offset, pages_of

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS = 256, 257, 258, 259, 262, 273
_ROWS_PER_STRIP, _PLANES, _SAMPLE_FORMATS = 278, 284, 339
_RGB: Final = 2
_SENSOR: Final = frozenset({32_803, 34_892})
"""Colour filter array and linear raw, of DNG."""
_FLOAT_RGB: Final = (_RGB, (32, 32, 32), {3})
_PIXEL_BYTES: Final = 12
_ROWS_AT_ONCE: Final = 64


def open_tiff(file: IO[bytes], page: int | None = None) -> Image.Image:
    """Open the page whose directory stands at a place, else the first one, with all `pages` among its `info`.

    Raises:
        UnsupportedMedia: it is there, but nothing here reads it.
        CorruptMedia: its pixels end too early.
        MediaLimitPassed: there are more than 100,000 pages.

    """
    layout = Layout.of(file.read(8))
    if page is not None:
        return _opened(file, layout, page)
    pages = pages_of(file, layout)
    if not pages.offsets:
        file.seek(0)
        return Image.open(file, formats=("TIFF",))
    image = _opened(file, layout, pages.offsets[0])
    image.info["pages"] = pages
    return image


def _opened(file: IO[bytes], layout: Layout, offset: int) -> Image.Image:
    first, directory = first_offset(file, layout), directory_at(file, layout, offset)
    file.seek(0)
    if directory is not None and _is_float_rgb(directory):
        return _float_rgb(file, layout, directory)
    try:
        source = file if offset == first else cast("IO[bytes]", _Redirected(file, layout, offset))
        return Image.open(source, formats=("TIFF",))
    except UnidentifiedImageError:
        if directory is not None and directory.first(_PHOTOMETRIC) in _SENSOR:
            raise UnsupportedMedia("raw sensor data is not read here, and the rest is a preview") from None
        if offset != first:
            raise UnsupportedMedia("the full picture is not read here, and the rest is a preview") from None
        raise


class _Redirected(RawIOBase):
    """A TIFF that begins with another of its directories."""

    def __init__(self, file: IO[bytes], layout: Layout, offset: int) -> None:
        self._file = file
        place = 8 if layout.big else 4
        file.seek(0)
        self._head = file.read(place) + struct.pack(layout.offset, offset)
        file.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        place = self._file.tell()
        content = self._file.read(-1 if size is None else size)
        return self._head[place : place + len(content)] + content[max(0, len(self._head) - place) :]

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()


def _is_float_rgb(directory: Directory) -> bool:
    told = directory.first(_PHOTOMETRIC), directory.tags.get(_BITS), set(directory.tags.get(_SAMPLE_FORMATS, ()))
    return told == _FLOAT_RGB


def _float_rgb(file: IO[bytes], layout: Layout, directory: Directory) -> Image.Image:
    """Decode 0 (black) to 1 (white) of each channel, some rows at a time."""
    strips = directory.tags.get(_STRIPS)
    if directory.first(_COMPRESSION, 1) != 1 or directory.first(_PLANES, 1) != 1 or not strips:
        raise UnsupportedMedia("RGB in floating point is read here only uncompressed, in strips and pixel by pixel")
    width, height = directory.first(_WIDTH), directory.first(_HEIGHT)
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError(f"{width * height} pixels")
    image = Image.new("RGB", (width, height))
    image.format = "TIFF"
    rows_per_strip = min(height, directory.first(_ROWS_PER_STRIP, height)) or 1
    for top in range(0, height, rows_per_strip):
        file.seek(strips[top // rows_per_strip])
        for start in range(top, min(height, top + rows_per_strip), _ROWS_AT_ONCE):
            rows = min(_ROWS_AT_ONCE, height - start, top + rows_per_strip - start)
            image.paste(_rows(file, layout, width, rows), (0, start))
    return image


def _rows(file: IO[bytes], layout: Layout, width: int, rows: int) -> Image.Image:
    content = file.read(_PIXEL_BYTES * width * rows)
    if len(content) < _PIXEL_BYTES * width * rows:
        raise CorruptMedia("the image ends before its last row")
    samples = Image.frombytes("F", (3 * width, rows), content, "raw", "F;32F" if layout.order == "<" else "F;32BF")
    shades = samples.point(lambda value: value * 255 + 0.5).convert("L")
    return Image.frombytes("RGB", (width, rows), shades.tobytes())
