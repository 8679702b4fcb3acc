"""Looking through a directory for old runs and archives, and where that directory lies."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_analysis.errors import InvalidRequest
from media_analysis.imports.runs.naming import ArchiveName, RunName
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.places import ARCHIVES
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.tree import places_of, roots_of
from media_analysis.storage.walk import OWN_NAMES, describe

_YEAR_DIGITS: Final = 4
_MONTHS: Final = frozenset(f"{month:02}" for month in range(1, 13))
NO_RUN: Final = "its name is that of no run"
NO_ARCHIVE: Final = "its name is that of no archive"
_NOT_REGULAR: Final = "it is no directory and no archive, or a link"


@dataclass(frozen=True, slots=True)
class Ground:
    """A directory with old runs: outside the store, or inside, where what lies there keeps its place."""

    root: Path
    in_place: bool
    prefix: str
    """In place: the directory's path below the store, with a slash behind it."""

    @classmethod
    def of(cls, directory: Path, store: ObjectStore) -> "Ground":
        """Look where a directory lies, seen from the store.

        Raises:
            InvalidRequest: it is none, swallows the store, or its keys would lie elsewhere.

        """
        try:
            resolved = directory.resolve(strict=True)
        except OSError as error:
            raise InvalidRequest("DIR", "no such directory") from error
        if not resolved.is_dir():
            raise InvalidRequest("DIR", "not a directory")
        places, roots = places_of(store), roots_of(store)
        if any(resolved in root.parents for root in roots):
            raise InvalidRequest("DIR", "the store lies inside it")
        root = next((root for root in roots if resolved == root or root in resolved.parents), None)
        if root is None:
            return cls(resolved, False, "")
        if places is None:
            raise InvalidRequest("DIR", "it lies in the store")
        prefix = "" if resolved == root else resolved.relative_to(root).as_posix() + "/"
        if prefix.partition("/")[0] in OWN_NAMES:
            raise InvalidRequest("DIR", "it is the store's own")
        if prefix and places.root_of(prefix) != root:
            raise InvalidRequest("DIR", "archives lie below the base path of archives, and nothing else does")
        return cls(resolved, True, prefix)


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A folder that is called like a run."""

    folder: str
    name: RunName
    modified_ns: int


@dataclass(frozen=True, slots=True)
class FoundArchive:
    """A file that is called like an archive, below a year and a month."""

    entry: Entry
    """Its name is relative to the directory looked through."""
    name: ArchiveName
    year: int
    month: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A name that is neither, and why."""

    name: str
    reason: str


Found = FoundRun | FoundArchive | Passed


def find(root: Path) -> list[Found]:
    """Return all runs, then all archives by the number in their names, then what is neither; blocks.

    No link is followed.
    """
    found = list(_find(root))
    runs = sorted((each for each in found if isinstance(each, FoundRun)), key=lambda each: each.folder)
    archives = sorted(
        (each for each in found if isinstance(each, FoundArchive)), key=lambda each: (each.name.number, each.entry.name)
    )
    return [*runs, *archives, *(each for each in found if isinstance(each, Passed))]


def _find(root: Path) -> Iterator[Found]:
    for item in _scan(root):
        if item.name in OWN_NAMES:
            continue
        if not item.is_dir(follow_symlinks=False):
            yield Passed(item.name, _NOT_REGULAR)
        elif item.name == ARCHIVES:
            yield from _find_years(Path(item.path), f"{ARCHIVES}/")
        elif _is_year(item.name):
            yield from _find_months(Path(item.path), f"{item.name}/", int(item.name))
        elif (name := RunName.parse(item.name)) is not None:
            yield FoundRun(item.name, name, item.stat(follow_symlinks=False).st_mtime_ns)
        else:
            yield Passed(item.name, NO_RUN)


def _find_years(folder: Path, prefix: str) -> Iterator[Found]:
    for item in _scan(folder):
        if item.is_dir(follow_symlinks=False) and _is_year(item.name):
            yield from _find_months(Path(item.path), f"{prefix}{item.name}/", int(item.name))
        else:
            yield Passed(prefix + item.name, NO_ARCHIVE)


def _find_months(folder: Path, prefix: str, year: int) -> Iterator[Found]:
    for item in _scan(folder):
        if item.is_dir(follow_symlinks=False) and item.name in _MONTHS:
            yield from _find_archives(Path(item.path), f"{prefix}{item.name}/", year, int(item.name))
        else:
            yield Passed(prefix + item.name, NO_ARCHIVE)


def _find_archives(folder: Path, prefix: str, year: int, month: int) -> Iterator[Found]:
    for item in _scan(folder):
        name = ArchiveName.parse(item.name)
        entry = describe(prefix + item.name, item.stat(follow_symlinks=False))
        if name is None or not entry.sayable:
            yield Passed(entry.name, NO_ARCHIVE)
        elif entry.kind is not EntryKind.FILE:
            yield Passed(entry.name, f"it is no regular file of its own, but a {entry.kind.value}")
        else:
            yield FoundArchive(entry, name, year, month)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as items:
        return sorted(items, key=lambda item: item.name)


def _is_year(name: str) -> bool:
    return len(name) == _YEAR_DIGITS and name.isascii() and name.isdigit() and name > "0000"
