"""Whether a file ends before what its own headers announce, told without decoding its content."""

import mmap
import struct
from itertools import islice
from os import SEEK_END
from pathlib import Path
from typing import IO, Final, Literal

from media_analysis.media.parts import EBML, ENDLESS, SEGMENT, elements
from media_analysis.media.reading import open_unwaiting, read_at
from media_analysis.media.types.contents import ASF_HEADER

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
Order = Literal["little", "big"]
MAX_CHUNKS: Final = 1_000
_UNSAID: Final = frozenset({0, 2**32 - 1, 2**64 - 1})
"""What writers put that do not know yet how much there will be."""
_W64: Final = b"riff\x2e\x91\xcf\x11"
_ASF_FILE: Final = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_HEADER_BYTES: Final = 2**16
MAX_BOXES: Final = 100_000
"""Top-level boxes of an MP4 that are looked at; a fragmented one has two for each fragment."""
_BOX: Final = struct.Struct(">I4sQ")
_HEADER_BYTES: Final = 8
_INDICES: Final = frozenset({b"moov", b"meta"})
"""Boxes that tell where pictures and sound lie: without one, nothing is whole."""
_FILE_BOXES: Final = _INDICES | {
    *(b"ftyp", b"styp", b"moof", b"mdat", b"mfra", b"sidx", b"ssix", b"prft", b"emsg", b"imda", b"uuid"),
    *(b"free", b"skip", b"wide", b"pdin", b"udta", b"pnot", b"PICT", b"idat"),
}
"""What may stand on its own in a file; anything else that does not fit is no box."""


def is_truncated(path: Path) -> bool | None:
    """Return whether the end of a file is missing; None for what does not tell.

    Those who tell are MP4 and its kin (AVIF too), Matroska, AVI, WAV, AIFF, W64, CAF, AU, ASF, JPEG, PNG, GIF, BMP and
    WebP.
    """
    size = path.stat().st_size
    with open_unwaiting(path) as file:
        head = file.read(64)
        if head[4:8] in {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"}:
            return _boxes_pass(file, size)
        if head.startswith(EBML):
            return _segment_passes(file, size)
        end = announced_end(file, head)
        return image_breaks_off(file) if end is None else end > size


def _boxes_pass(file: IO[bytes], size: int) -> bool | None:
    """Whether a box passes the end of the file; what follows the last box of a whole movie is none.

    Source: ISO/IEC 14496-12, section 4.2 and annex on file-level boxes.
    """
    position, has_index = 0, False
    for _ in range(MAX_BOXES):
        if position == size:
            return False
        file.seek(position)
        header = file.read(_BOX.size)
        if len(header) < _HEADER_BYTES:
            return not has_index
        length, kind, extended = _BOX.unpack(header.ljust(_BOX.size, b"\0"))
        if length == 0:
            return False
        position += max(extended, _BOX.size) if length == 1 else max(length, _HEADER_BYTES)
        if position > size:
            return kind in _FILE_BOXES or not has_index
        has_index |= kind in _INDICES
    return None


def _segment_passes(file: IO[bytes], size: int) -> bool | None:
    """Source: RFC 8794, section 4 and 5; the one segment follows the EBML header."""
    segment = next(islice(elements(file, 0, ENDLESS), 1, None), None)
    return None if segment is None or segment.name != SEGMENT or segment.end == ENDLESS else segment.end > size


def announced_end(file: IO[bytes], head: bytes) -> int | None:
    """Return where a file that begins with `head` says that it ends; None where it does not say."""
    if head.startswith((b"RIFF", b"RIFX", b"FORM")):
        size = int.from_bytes(head[4:8], "little" if head.startswith(b"RIFF") else "big")
        return None if size in _UNSAID else _end_of_riff(file, head, 8 + size)
    if head.startswith((b"RF64", b"BW64")) and head[12:16] == b"ds64":
        # EBU Tech 3306, 4: the size of 64 bits stands in a chunk of its own.
        return _said(8, head[20:28], "little")
    if head.startswith(_W64):
        return _said(0, head[16:24], "little")
    if head.startswith(b".snd"):
        return _said(int.from_bytes(head[4:8]), head[8:12], "big")
    if head.startswith(ASF_HEADER):
        return _end_of_asf(file)
    return _end_of_caf(file) if head.startswith(b"caff") else None


def _said(before: int, size: bytes, order: Order) -> int | None:
    found = int.from_bytes(size, order)
    return None if found in _UNSAID else before + found


def _end_of_riff(file: IO[bytes], head: bytes, end: int) -> int:
    """A long AVI is several, one behind the other (OpenDML AVI file format extensions 1.02, 3.0)."""
    following = read_at(file, end + end % 2, 12)
    for _ in range(MAX_CHUNKS):
        if not following.startswith(b"RIFF") or following[8:] != b"AVIX":
            break
        end += end % 2 + 8 + int.from_bytes(following[4:8], "little")
        following = read_at(file, end + end % 2, 12)
    return end - _padding(file, end, head)


def _padding(file: IO[bytes], end: int, head: bytes) -> int:
    """Return 1 if the last byte only fills up a last chunk of uneven length, which writers leave out at times."""
    order: Order = "little" if head.startswith(b"RIFF") else "big"
    at = 12
    for _ in range(MAX_CHUNKS):
        header = read_at(file, at, 8)
        size = int.from_bytes(header[4:], order)
        if len(header) < 8 or at + 8 + size >= end:  # noqa: PLR2004 - a name and a size
            return 0
        if at + 8 + size == end - 1:
            return size % 2
        at += 8 + size + size % 2
    return 0


def _end_of_asf(file: IO[bytes]) -> int | None:
    """Source: ASF specification, 3.2: the size of the whole, which a broadcast does not know."""
    header = read_at(file, 0, _ASF_HEADER_BYTES)
    at = header.find(_ASF_FILE)
    is_broadcast = at < 0 or not len(header) > at + 88 or header[at + 88] & 1
    return None if is_broadcast else _said(0, header[at + 40 : at + 48], "little")


def _end_of_caf(file: IO[bytes]) -> int | None:
    """Source: Apple Core Audio Format specification 1.0: chunks, of which sound may have no size yet."""
    at = 8
    for _ in range(MAX_CHUNKS):
        header = read_at(file, at, 12)
        if len(header) < 12:  # noqa: PLR2004 - a name and a size
            return None
        if header[:4] == b"data":
            return _said(at + 12, header[4:], "big")
        at += 12 + int.from_bytes(header[4:])
    return None


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
