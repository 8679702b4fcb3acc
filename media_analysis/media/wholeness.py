"""Whether a file ends before what its own headers announce, told without decoding its content."""

import struct
from itertools import islice
from pathlib import Path
from typing import IO, Final

from media_analysis.media.announced import announced_end
from media_analysis.media.image_wholeness import image_breaks_off
from media_analysis.media.parts import EBML, ENDLESS, SEGMENT, elements
from media_analysis.media.reading import open_unwaiting

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
