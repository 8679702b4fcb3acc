"""What the directories of a TIFF (revision 6.0, BigTIFF too) tell, read within bounds and nothing of the rest."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final, Self

Numbers = tuple[int, ...]
_SUB_DIRECTORIES: Final = 330
_SUBFILE_TYPE: Final = 254
_REDUCED: Final = 1
_BIG: Final = 43
_TYPES: Final = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Whole numbers of 16, 32 and 64 bits, and places of directories."""
_MAX_NUMBERS: Final = 65_536
_MAX_DIRECTORIES: Final = 100


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
    def reduced(self) -> bool:
        """Whether its picture is a smaller copy of another one."""
        return bool(self.first(_SUBFILE_TYPE) & _REDUCED)

    def first(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag."""
        return next(iter(self.tags.get(tag, ())), default)


def directories_of(file: IO[bytes], layout: Layout) -> Iterator[Directory]:
    """Yield the first directory, those below it and those behind it, at most 100; broken ones are left out."""
    file.seek(8 if layout.big else 4)
    (offset,) = struct.unpack(layout.offset, file.read(struct.calcsize(layout.offset)))
    pending, seen = [offset], {0}
    while pending and len(seen) <= _MAX_DIRECTORIES:
        offset = pending.pop(0)
        directory = None if offset in seen else _directory(file, layout, offset)
        seen.add(offset)
        if directory is not None:
            pending += [*directory.tags.get(_SUB_DIRECTORIES, ())[:_MAX_DIRECTORIES], directory.following]
            yield directory


def _directory(file: IO[bytes], layout: Layout, offset: int) -> Directory | None:
    count, entry = ("Q", "HHQ8s") if layout.big else ("H", "HHI4s")
    try:
        (entries,) = struct.unpack(layout.order + count, _read(file, offset, struct.calcsize(f"={count}")))
        size = struct.calcsize(f"={entry}")
        if entries > _MAX_NUMBERS:
            return None
        table = _read(file, offset + struct.calcsize(f"={count}"), size * entries)
        tags = {
            tag: _numbers(file, layout, kind, number, value)
            for tag, kind, number, value in struct.iter_unpack(layout.order + entry, table)
            if kind in _TYPES and number <= _MAX_NUMBERS
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
