"""What the directories of a TIFF (revision 6.0, BigTIFF too) tell, read within bounds and nothing of the rest."""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final, Self

from media_analysis.errors.media import MediaLimitPassed

Numbers = tuple[int, ...]
_SUB_DIRECTORIES: Final = 330
_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255
_IS_ONE_OF_SEVERAL: Final = 2
_WAS_REDUCED: Final = 2
_BIG: Final = 43
_TYPES: Final = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Whole numbers of 16, 32 and 64 bits, and places of directories."""
_MAX_NUMBERS: Final = 65_536
_MAX_DIRECTORIES: Final = 100
_MAX_PAGES: Final = 100_000
_FIRST_ENTRIES: Final = 16
"""Entries ascend, so that what a picture is for is told by one of these."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a TIFF writes numbers."""

    order: str
    big: bool

    @classmethod
    def of(cls, head: bytes) -> Self:
        """Read it from a file's first bytes."""
        order = "<" if head[:2] == b"II" else ">"
        return cls(order, struct.unpack_from(f"{order}H", head, 2)[0] == _BIG)

    @property
    def offset(self) -> str:
        """The struct format of a place in the file."""
        return self.order + ("Q" if self.big else "I")


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture's tags that are whole numbers; the others are left out."""

    offset: int
    tags: dict[int, Numbers]
    following: int
    """Where the next one is, 0 where there is none."""

    @property
    def is_page(self) -> bool:
        """Whether its picture is one of its own: no smaller copy of another one, no mask and no map of depths."""
        is_beside = self.first(_SUBFILE_TYPE) & ~_IS_ONE_OF_SEVERAL
        return not is_beside and self.first(_OLD_SUBFILE_TYPE) != _WAS_REDUCED

    def first(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag."""
        return next(iter(self.tags.get(tag, ())), default)


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the directories of a TIFF's pages stand, in their order."""

    offsets: Sequence[int]
    broken: bool = False
    """Whether a directory behind these cannot be read."""


def pages_of(file: IO[bytes], layout: Layout) -> Pages:
    """Find the pages, reading little of each: those one behind the other, else the first one below them.

    Where all are smaller copies of what is not there, the first one is the page; there is none where none can be read.

    Raises:
        MediaLimitPassed: there are more than 100,000 directories.

    """
    offset, seen, pages = first_offset(file, layout), set[int](), list[int]()
    while offset and offset not in seen:
        if len(seen) == _MAX_PAGES:
            raise MediaLimitPassed("pages", found=_MAX_PAGES + 1, allowed=_MAX_PAGES)
        seen.add(offset)
        directory = directory_at(file, layout, offset, is_for_page_alone=True)
        if directory is None:
            return Pages(pages or _below(file, layout), broken=True)
        pages += [offset] * directory.is_page
        offset = directory.following
    return Pages(pages or _below(file, layout))


def _below(file: IO[bytes], layout: Layout) -> Sequence[int]:
    directories = list(_directories_of(file, layout))
    full = [directory for directory in directories if directory.is_page] or directories
    return [directory.offset for directory in full[:1]]


def first_offset(file: IO[bytes], layout: Layout) -> int:
    """Return where the first directory stands."""
    file.seek(8 if layout.big else 4)
    (offset,) = struct.unpack(layout.offset, file.read(struct.calcsize(layout.offset)))
    return int(offset)


def _directories_of(file: IO[bytes], layout: Layout) -> Iterator[Directory]:
    """Yield the first directory, those below it and those behind it, at most 100; broken ones are left out."""
    pending, seen = [first_offset(file, layout)], {0}
    while pending and len(seen) <= _MAX_DIRECTORIES:
        offset = pending.pop(0)
        directory = None if offset in seen else directory_at(file, layout, offset)
        seen.add(offset)
        if directory is not None:
            pending += [*directory.tags.get(_SUB_DIRECTORIES, ())[:_MAX_DIRECTORIES], directory.following]
            yield directory


def directory_at(file: IO[bytes], layout: Layout, offset: int, *, is_for_page_alone: bool = False) -> Directory | None:
    """Read a directory, None where it is broken; of each only what tells whether it is a page, where asked so."""
    count, entry = ("Q", "HHQ8s") if layout.big else ("H", "HHI4s")
    try:
        (entries,) = struct.unpack(layout.order + count, _read(file, offset, struct.calcsize(f"={count}")))
        size = struct.calcsize(f"={entry}")
        if entries > _MAX_NUMBERS:
            return None
        read_entries = min(entries, _FIRST_ENTRIES) if is_for_page_alone else entries
        table = _read(file, offset + struct.calcsize(f"={count}"), size * read_entries)
        tags = {
            tag: _numbers(file, layout, kind, number, value)
            for tag, kind, number, value in struct.iter_unpack(layout.order + entry, table)
            if kind in _TYPES and number <= (1 if is_for_page_alone else _MAX_NUMBERS)
        }
        behind = offset + struct.calcsize(f"={count}") + size * entries
        (following,) = struct.unpack(layout.offset, _read(file, behind, struct.calcsize(layout.offset)))
    except struct.error:
        return None
    return Directory(offset, tags, following)


def _numbers(file: IO[bytes], layout: Layout, kind: int, number: int, value: bytes) -> Numbers:
    pattern = f"{layout.order}{number}{_TYPES[kind]}"
    size = struct.calcsize(pattern)
    if size > len(value):
        (place,) = struct.unpack(layout.offset, value)
        value = _read(file, place, size)
    return struct.unpack(pattern, value[:size])


def _read(file: IO[bytes], offset: int, size: int) -> bytes:
    if offset + size > os.fstat(file.fileno()).st_size:
        raise struct.error("beyond the end of the file")
    file.seek(offset)
    return file.read(size)
