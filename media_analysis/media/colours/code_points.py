"""Colours that images tell by number, as films do: `cICP` of PNG, `nclx` of AVIF."""

import struct
from dataclasses import dataclass
from typing import IO, Final

_PNG_SIGNATURE: Final = 8
_MAX_CHUNKS: Final = 1000
_MAX_PROPERTIES: Final = 2**20
"""Bytes of a PNG's chunks before its pixels, or of an AVIF's head, that are looked through."""
_UNSPECIFIED: Final = 2
_CONTAINERS: Final = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes on the way to an AVIF's colours, and how much stands in them before the boxes inside."""


@dataclass(frozen=True, slots=True)
class CodePoints:
    """Colour primaries and transfer, by ITU-T H.273."""

    primaries: int
    transfer: int
    outranks_profiles: bool = False
    """Whether they count although there is an ICC profile."""


def code_points_of(file: IO[bytes], format_name: str) -> CodePoints | None:
    """Return what an image of Pillow's format name tells, None for nothing; the file stays where it was."""
    place = file.tell()
    try:
        if format_name == "PNG":
            return _of_png(file)
        return _of_avif(file) if format_name == "AVIF" else None
    except struct.error:
        return None
    finally:
        file.seek(place)


def _of_png(file: IO[bytes]) -> CodePoints | None:
    """Source: PNG, third edition, sections 4.3 and 11.3.2.6."""
    file.seek(_PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"cICP":
            primaries, transfer = struct.unpack(">BB", file.read(2))
            return CodePoints(primaries, transfer, outranks_profiles=_UNSPECIFIED not in {primaries, transfer})
        if kind == b"IDAT":
            return None
        file.seek(length + 4, 1)
    return None


def _of_avif(file: IO[bytes]) -> CodePoints | None:
    """Take the first item's; source: ISO/IEC 23008-12, section 6.5.5, and ISO/IEC 14496-12, section 12.1.5."""
    file.seek(0)
    head = file.read(_MAX_PROPERTIES)
    place, end = 0, len(head)
    while place + 8 <= end:
        length, kind = struct.unpack_from(">I4s", head, place)
        if kind in _CONTAINERS:
            place, end = place + 8 + _CONTAINERS[kind], min(end, place + length)
        elif kind == b"colr" and head[place + 8 : place + 12] == b"nclx":
            return CodePoints(*struct.unpack_from(">HH", head, place + 12))
        else:
            place += max(8, length)
    return None
