"""Pictures of an AVIF that stand beside the one that is shown, told without decoding them."""

import struct
from collections.abc import Iterator
from typing import IO, Final

from media_analysis.media.parts import WHOLE, Part, boxes, find
from media_analysis.media.reading import read_at

FURTHER_PICTURES: Final = "further_pictures"
"""The code of what is said of them."""
_PICTURES: Final = frozenset({b"av01", b"grid", b"iovl", b"iden"})
_BESIDE: Final = frozenset({b"auxl", b"thmb", b"cdsc"})
"""References from what is no picture of its own: masks and alpha, smaller copies, descriptions."""
_FULL: Final = 4
"""Bytes of a version and flags, with which many boxes begin."""
_HIDDEN: Final = 1
_MAX_BYTES: Final = 2**16
"""Of one box of references or of an entry that are looked at."""


def count_pictures(file: IO[bytes]) -> int:
    """Return how many pictures an AVIF shows: neither hidden, nor part, copy, mask or description of another one.

    Source: ISO/IEC 23008-12, sections 6.4 and 6.6, and ISO/IEC 14496-12, sections 8.11.6 and 8.11.12; 0 where nothing
    lists them.
    """
    meta = next(find(file, boxes, WHOLE, b"meta"), None)
    if meta is None:
        return 0
    within = meta._replace(start=meta.start + _FULL)
    try:
        return len(set(_items(file, within)) - set(_beside(file, within)))
    except struct.error:
        return 0


def _items(file: IO[bytes], meta: Part) -> Iterator[int]:
    for listed in find(file, boxes, meta, b"iinf"):
        counted = 2 if read_at(file, listed.start, 1) == b"\0" else 4
        for entry in find(file, boxes, listed._replace(start=listed.start + _FULL + counted), b"infe"):
            content = read_at(file, entry.start, 14)
            number, place = _number(content, _FULL, is_long=content[:1] == b"\3")
            kind = content[place + 2 : place + 6]
            if kind in _PICTURES and not content[3] & _HIDDEN:
                yield number


def _beside(file: IO[bytes], meta: Part) -> Iterator[int]:
    for listed in find(file, boxes, meta, b"iref"):
        is_long = read_at(file, listed.start, 1) == b"\1"
        for each in boxes(file, listed.start + _FULL, listed.end):
            content = read_at(file, each.start, min(each.end - each.start, _MAX_BYTES))
            source, place = _number(content, 0, is_long=is_long)
            if each.name in _BESIDE:
                yield source
            elif each.name == b"dimg":
                place += 2
                while place < len(content):
                    number, place = _number(content, place, is_long=is_long)
                    yield number


def _number(content: bytes, place: int, *, is_long: bool) -> tuple[int, int]:
    pattern = ">I" if is_long else ">H"
    return struct.unpack_from(pattern, content, place)[0], place + struct.calcsize(pattern)
