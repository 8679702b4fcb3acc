"""Directories on disk: made and removed so that what they hold survives a power cut."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from media_analysis.failpoints import failpoint


def make_directories(path: Path, *, below: Path, mode: int) -> None:
    """Create `path` and its missing parents, each durable in its own parent; `below` must exist."""
    for directory in reversed([path, *_parents(path, below)]):
        try:
            directory.mkdir(mode)
        except FileExistsError:
            continue
        directory.chmod(mode)
        failpoint("store.folder_made")
        sync_directory(directory.parent)


def unlink_empty_directories(path: Path, *, below: Path) -> None:
    """Remove `path` and its parents as far as they are empty; `below` stays."""
    if path == below:
        return
    for directory in [path, *_parents(path, below)]:
        try:
            directory.rmdir()
        except OSError:
            return
        failpoint("store.folder_removed")
        with suppress(OSError):  # an empty folder that a power cut brings back harms nobody
            sync_directory(directory.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parents(path: Path, below: Path) -> Sequence[Path]:
    return [parent for parent in path.parents if parent != below and below in parent.parents]
