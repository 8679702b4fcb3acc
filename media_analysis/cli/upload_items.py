"""Which files an upload takes, and what is left out of what was named."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from media_analysis.units import round_size


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is said of all files of one command."""

    category: str
    labels: Mapping[str, str]
    ttl: timedelta | None

    def facts(self) -> list[object]:
        """Return it for comparison: another wish is another upload."""
        return [self.category, sorted(self.labels.items()), None if self.ttl is None else self.ttl.total_seconds()]


class Item(NamedTuple):
    """A file to be uploaded, as it was when it was found."""

    path: str
    size_bytes: int
    modified_ns: int

    @property
    def filename(self) -> str:
        """What it is called on the server."""
        return os.path.basename(self.path)  # noqa: PTH119 - of a hundred thousand


class LeftOut(NamedTuple):
    """Something that was named and is not uploaded, and why."""

    path: str
    reason: str


@dataclass
class FoundItems:
    """All that was named."""

    items: list[Item] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(item.size_bytes for item in self.items)

    @property
    def sentence(self) -> str:
        """How much it is."""
        count = len(self.items)
        return f"{count:,} {'file' if count == 1 else 'files'}, {round_size(self.size_bytes)},"


def find_items(paths: Sequence[Path], *, recursive: bool) -> FoundItems:
    """Return the files that were named, each once, in the order of their names; links are never followed."""
    found, seen = FoundItems(), set[str]()
    for path in paths:
        for each in _walk(str(path), recursive=recursive):
            if isinstance(each, LeftOut):
                found.refused.append(each)
            elif (where := os.path.abspath(each.path)) not in seen:  # noqa: PTH100 - links are not resolved
                seen.add(where)
                found.items.append(each)
    return found


def _walk(path: str, *, recursive: bool) -> Iterator[Item | LeftOut]:
    try:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode):
            yield _looked_at(path, status)
            return
        if not recursive:
            yield LeftOut(path, "is a folder; --recursive takes all files in it")
            return
        with os.scandir(path) as entries:
            inside = sorted(entry.path for entry in entries)
    except OSError as error:
        yield LeftOut(path, reason_of(error))
        return
    for each in inside:
        yield from _walk(each, recursive=True)


def _looked_at(path: str, status: os.stat_result) -> Item | LeftOut:
    if stat.S_ISLNK(status.st_mode):
        return LeftOut(path, "is a link; name what it leads to")
    if not stat.S_ISREG(status.st_mode):
        return LeftOut(path, "is no plain file")
    if any("\ud800" <= letter <= "\udfff" for letter in os.path.basename(path)):  # noqa: PTH119 - as above
        return LeftOut(path, "has a name that is no UTF-8")
    return Item(path, status.st_size, status.st_mtime_ns)


def reason_of(error: OSError) -> str:
    """Return why a file cannot be read, as a sentence goes on that began with its name."""
    match error:
        case FileNotFoundError():
            return "is not there"
        case PermissionError():
            return "may not be read"
        case _:
            return f"cannot be read: {error.strerror or error}"
