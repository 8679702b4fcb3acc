"""TIFF and DNG opened as the picture they are of, not as its preview; with deep samples, which Pillow does not read."""

import struct
from io import RawIOBase
from typing import IO, Final, cast

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from media_analysis.errors.media import CorruptMedia, UnsupportedMedia
from media_analysis.media.stills import tiff_rows
from media_analysis.media.stills.tiff_directories import Layout, directory_at, first_offset, pages_of
from media_analysis.media.stills.tiff_kinds import JPEG, SIGNED, UNCOMPRESSED, WEBP, PixelFormat

_COLOUR_MAP, _ORIENTATION, _PROFILE = 320, 274, 34_675
_ACROSS, _DOWN, _UNIT = 282, 283, 296
_CENTIMETRE: Final = 3
_BYTE: Final = 8
_LOSSLESS: Final = 0xC3
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that say how it is coded (ISO/IEC 10918-1, table B.1)."""
_MAX_SEGMENTS: Final = 100


def open_tiff(file: IO[bytes], page: int | None = None) -> Image.Image:
    """Open the page whose directory stands at a place, else the first one, with all `pages` among its `info`.

    Raises:
        UnsupportedMedia: it is there, but nothing here reads it; it is named.
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
    directory = directory_at(file, layout, offset)
    kind = None if directory is None else PixelFormat.of(directory)
    source = file
    if offset != first_offset(file, layout):
        source = cast("IO[bytes]", _Redirected(file, layout, offset))
    source.seek(0)
    if kind is not None:
        _require_read(file, kind)
        if _is_read_wrongly(kind) and tiff_rows.reads(kind):
            return _deep(source, layout, offset, kind)
        source.seek(0)
    try:
        return _with_own_colours(Image.open(source, formats=("TIFF",)))
    except UnidentifiedImageError:
        if kind is None or not kind.is_sound:
            raise
        if tiff_rows.reads(kind):
            return _deep(source, layout, offset, kind)
        raise UnsupportedMedia(f"TIFF in {kind} is not read here") from None


def _require_read(file: IO[bytes], kind: PixelFormat) -> None:
    """Refuse by name what Pillow opens and then fails to decode, or decodes to wrong colours."""
    if min(kind.size) < 1:
        raise CorruptMedia("the image has no pixels")
    if kind.is_sensor:
        raise UnsupportedMedia("raw sensor data is not read here, and the rest is a preview")
    if kind.compression == WEBP or (_is_read_wrongly(kind) and not tiff_rows.reads(kind)):
        raise UnsupportedMedia(f"TIFF in {kind} is not read here")
    if kind.compression == JPEG and kind.strips and _coding(file, kind.strips[0]) == _LOSSLESS:
        raise UnsupportedMedia("TIFF in lossless JPEG, as of raw sensor data, is not read here")


def _is_read_wrongly(kind: PixelFormat) -> bool:
    """Whether Pillow takes deep samples for bytes, or signed bytes for unsigned ones."""
    deep_planes = kind.planar and kind.compression == UNCOMPRESSED and kind.bits > _BYTE and kind.samples > 1
    return deep_planes or (kind.sample_format == SIGNED and kind.bits == _BYTE)


def _coding(file: IO[bytes], place: int) -> int | None:
    """Return the marker that says how a JPEG is coded, None where there is none."""
    file.seek(place + 2)
    for _ in range(_MAX_SEGMENTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:  # noqa: PLR2004 - every marker begins so
            return None
        if head[1] in _FRAMES:
            return head[1]
        file.seek(int.from_bytes(head[2:]) - 2, 1)
    return None


def _with_own_colours(image: Image.Image) -> Image.Image:
    """Take a palette of numbers up to 255 as what was meant, though TIFF 6.0 asks for 65,535."""
    if image.mode == "P" and isinstance(image, TiffImageFile):
        colours = image.tag_v2.get(_COLOUR_MAP, ())
        if 0 < max(colours, default=0) <= 0xFF:  # noqa: PLR2004 - the largest byte
            image.putpalette(bytes(colours), "RGB;L")
    return image


def _deep(source: IO[bytes], layout: Layout, offset: int, kind: PixelFormat) -> Image.Image:
    """Decode what Pillow does not, upright, and add what it would have read of its tags."""
    image = tiff_rows.picture_of(source, layout, kind)
    tags = _tags(source, layout, offset)
    exif = image.getexif()
    exif[_ORIENTATION] = tags.get(_ORIENTATION, 1)
    turned = ImageOps.exif_transpose(image)
    across, down = float(tags.get(_ACROSS, 0)), float(tags.get(_DOWN, 0))
    if across > 0 and down > 0:
        inches = 2.54 if tags.get(_UNIT) == _CENTIMETRE else 1
        dots = across * inches, down * inches
        turned.info["dpi"] = dots if turned.size == image.size else dots[::-1]
    if tags.get(_PROFILE):
        turned.info["icc_profile"] = tags[_PROFILE]
    turned.format = "TIFF"
    return turned


def _tags(source: IO[bytes], layout: Layout, offset: int) -> ImageFileDirectory_v2:
    source.seek(0)
    tags = ImageFileDirectory_v2(source.read(16 if layout.big else 8))
    source.seek(offset)
    tags.load(source)
    return tags


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
