"""Whether a JPEG, PNG or GIF ends before its own last mark, a BMP before its last pixel, told without decoding it."""

import mmap
import struct
from os import SEEK_END
from typing import IO, Final

_JPEG_START: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"
_SCAN: Final = 0xDA
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_BESIDE_BYTES: Final = 12
"""Length, kind and checksum of a chunk of a PNG."""
_GIF_STARTS: Final = (b"GIF87a", b"GIF89a")
_GIF_SCREEN_BYTES: Final = 13
_GIF_IMAGE_BYTES: Final = 10
_GIF_TABLE: Final = 0x80
_GIF_END: Final = 0x3B
_GIF_IMAGE: Final = 0x2C
_GIF_EXTENSION: Final = 0x21
_BMP_START: Final = b"BM"
_BMP_CORE: Final = struct.Struct("<10xII2H2xH")
"""Where pixels begin, the size of the header behind, and in the oldest one width, height and bits of a pixel."""
_BMP: Final = struct.Struct("<10xIIii2xHI")
"""The same, and whether they are compressed."""
_BMP_CORE_BYTES: Final = 12
_BMP_PLAIN: Final = frozenset({0, 3, 6})
"""Uncompressed, also with masks."""


def image_breaks_off(file: IO[bytes]) -> bool | None:
    """Return whether the end of an image is missing; None for what is none of the four, or out of order."""
    file.seek(0)
    head = file.read(len(_PNG_START))
    if head.startswith(_BMP_START):
        return _lacks_rows(head + file.read(_BMP.size), file.seek(0, SEEK_END))
    if not head.startswith((_JPEG_START, _PNG_START, *_GIF_STARTS)):
        return None
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            if head == _PNG_START:
                return _lacks_last_chunk(content)
            return _lacks_end_of_scans(content) if head.startswith(_JPEG_START) else _lacks_trailer(content)
        except IndexError:
            return True


def _lacks_last_chunk(content: mmap.mmap) -> bool:
    """Source: ISO/IEC 15948, section 5."""
    at = len(_PNG_START)
    while content[at + 4 : at + 8] != b"IEND":
        at += int.from_bytes(content[at : at + 4]) + _BESIDE_BYTES
        if at >= len(content):
            return True
    return at + _BESIDE_BYTES > len(content)


def _lacks_end_of_scans(content: mmap.mmap) -> bool | None:
    """Source: ISO/IEC 10918-1, annex B; what looks like an end before the first scan belongs to a preview."""
    at = 2
    while (marker := content[at + 1]) != _SCAN:
        if content[at] != 0xFF:  # noqa: PLR2004 - every marker begins so
            return None
        at += 1 if marker == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4])  # noqa: PLR2004 - filling
    return content.find(_JPEG_END, at) < 0


def _lacks_trailer(content: mmap.mmap) -> bool | None:
    """Source: the GIF89a specification, sections 17 to 27."""
    at = _GIF_SCREEN_BYTES + _table_bytes(content[10])
    while content[at] != _GIF_END:
        if content[at] == _GIF_IMAGE:
            at += _GIF_IMAGE_BYTES + _table_bytes(content[at + 9]) + 1
        elif content[at] == _GIF_EXTENSION:
            at += 2
        else:
            return None
        while size := content[at]:
            at += 1 + size
        at += 1
    return False


def _lacks_rows(head: bytes, size_bytes: int) -> bool | None:
    """Rows fill up to four bytes, of which those of the last one may be left out (Microsoft, BITMAPINFOHEADER)."""
    if len(head) < _BMP.size:
        return True
    start, header_bytes, width, height, bits = _BMP_CORE.unpack_from(head)
    if header_bytes != _BMP_CORE_BYTES:
        start, _, width, height, bits, compression = _BMP.unpack_from(head)
        if compression not in _BMP_PLAIN:
            return None
    row_bytes = (width * bits + 7) // 8
    return bool(start + (abs(height) - 1) * (row_bytes + -row_bytes % 4) + row_bytes > size_bytes)


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _GIF_TABLE else 0
