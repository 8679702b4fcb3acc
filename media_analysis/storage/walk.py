"""A tree on disk as it really is: walked in pieces, looked at name by name, and objects set aside."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from media_analysis.failpoints import failpoint
from media_analysis.storage.directories import make_directories, sync_directory
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.furnishing import README_NAME
from media_analysis.storage.marker import MARKER_NAME, MARKER_NAMES
from media_analysis.storage.places import Places
from media_analysis.storage.unlinking import errno_name

QUARANTINE: Final = ".quarantine"
"""Where objects nobody tracks wait for a person or their end, in the root they lay below, by the day of the move."""
OWN_NAMES: Final = MARKER_NAMES | {f"{MARKER_NAME}.probe", README_NAME, QUARANTINE, "lost+found"}
"""What lies in a root of the store and is no object."""


def is_own(key: str) -> bool:
    """Say whether a name is no object's, neither whole nor set aside."""
    first = key.partition("/")[0]
    return key == QUARANTINE or (first in OWN_NAMES and first != QUARANTINE)


async def walk_in_batches(root: Path, size: int, *, skip: frozenset[str] = frozenset()) -> AsyncIterator[list[Entry]]:
    """Yield what `walk` does in lists of `size`, each gathered in a thread."""
    entries = walk(root, skip=skip)
    while batch := await asyncio.to_thread(lambda: list(islice(entries, size))):
        yield batch


def walk(root: Path, *, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
    """Yield everything below `root` but readable directories, following no link.

    Memory is bounded by the depth of the tree, whatever a directory holds. `skip` names what is left out at the top.
    """
    descent = [_scan(_Folder(str(root), ""), skip)]
    while descent:
        match next(descent[-1], None):
            case None:
                descent.pop()
            case Entry() as entry:
                yield entry
            case folder:
                descent.append(_scan(folder))


def look(root: Path, names: Iterable[str]) -> list[Entry | None]:
    """Return what stands at each name right now, None where nothing does."""
    return [_look_at(root, name) for name in names]


def look_up(places: Places, keys: Iterable[str]) -> list[Entry | None]:
    """Return what stands at each key right now, None where nothing does."""
    return [_look_at(places.root_of(key), key) for key in keys]


def describe(name: str, status: os.stat_result) -> Entry:
    """Return what the kernel says of a name."""
    return Entry(name, _kind_of(status), status.st_size, status.st_mtime_ns)


def set_aside(root: Path, keys: Sequence[str], day: date, *, mode: int) -> dict[str, str]:
    """Move objects into the quarantine by their names alone, durably; return where each one is now.

    One that is gone already is left out, and so is one with a name that is too long for a place there. Nothing is ever
    overwritten there: the caller lets nobody else do the same.
    """
    moved: dict[str, str] = {}
    for key in keys:
        place = _free_place(root, f"{QUARANTINE}/{day:%Y-%m-%d}/{key}")
        try:
            make_directories((root / place).parent, below=root, mode=mode)
            (root / key).rename(root / place)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENAMETOOLONG}:
                continue
            raise
        moved[key] = place
        failpoint("quarantine.moved")
    # The new names first: after a power cut an object may be in both places, never in none.
    for directory in dict.fromkeys((root / place).parent for place in moved.values()):
        sync_directory(directory)
    for directory in dict.fromkeys((root / key).parent for key in moved):
        sync_directory(directory)
    return moved


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    name: str


def _scan(folder: _Folder, skip: frozenset[str] = frozenset()) -> Iterator[Entry | _Folder]:
    try:
        with os.scandir(folder.path) as found:
            for item in found:
                if item.name in skip:
                    continue
                name = f"{folder.name}/{item.name}" if folder.name else item.name
                yield _Folder(item.path, name) if item.is_dir(follow_symlinks=False) else _entry_of(item, name)
    except FileNotFoundError:
        return  # removed while we walked
    except OSError as error:
        yield Entry(folder.name or ".", EntryKind.UNREADABLE, reason=errno_name(error))


def _entry_of(item: os.DirEntry[str], name: str) -> Entry:
    try:
        return describe(name, item.stat(follow_symlinks=False))
    except OSError as error:
        return Entry(name, EntryKind.UNREADABLE, reason=errno_name(error))


def _look_at(root: Path, name: str) -> Entry | None:
    try:
        return describe(name, os.lstat(f"{root}/{name}"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Entry(name, EntryKind.UNREADABLE, reason=errno_name(error))


def _kind_of(status: os.stat_result) -> EntryKind:
    if stat.S_ISREG(status.st_mode):
        return EntryKind.FILE if status.st_nlink == 1 else EntryKind.HARD_LINK
    if stat.S_ISLNK(status.st_mode):
        return EntryKind.LINK
    return EntryKind.DIRECTORY if stat.S_ISDIR(status.st_mode) else EntryKind.SPECIAL


def _free_place(root: Path, wanted: str) -> str:
    place, number = wanted, 0
    while os.path.lexists(root / place):
        number += 1
        place = f"{wanted}.{number}"
    return place
