"""Who may do what with the store's directories and files."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_analysis.storage.directories import sync_directory


@dataclass(frozen=True, slots=True)
class Modes:
    """Modes of what is made; roots that are there already keep theirs.

    What keeps others out is the root alone: inside it everybody may read, so that whoever is let in can.
    """

    root: int = 0o750
    directories: int = 0o755
    files: int = 0o644
    group_id: int | None = None
    """The group of a new root, which everything below takes over; None leaves it as the system does."""

    @property
    def directory(self) -> int:
        """The mode of a new directory, which hands its group on where one was given."""
        return self.directories if self.group_id is None else self.directories | stat.S_ISGID


USUAL: Final = Modes()


def make_root(root: Path, modes: Modes) -> None:
    """Make the root of a store that is not there, durably, and the directories above it as the system would.

    It has its name only once it is right: one that is there keeps its mode and its group. What a crash left is gone on
    with.
    """
    if root.exists():
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    part = root.with_name(f".{root.name}.part")
    try:
        part.mkdir(0o700, exist_ok=True)
        if modes.group_id is not None:
            os.chown(part, -1, modes.group_id)
        part.chmod(modes.root if modes.group_id is None else modes.root | stat.S_ISGID)
        sync_directory(part)
        part.rename(root)
    except OSError:
        if not root.exists():  # or another process made it first
            raise
        with suppress(OSError):
            part.rmdir()
    sync_directory(root.parent)


def is_open_to_all(root: Path) -> bool:
    """Say whether users who are neither its owner nor of its group may enter a root, and all directories above it."""
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in (root, *root.parents))
