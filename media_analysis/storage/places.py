"""Places: below which directory each object lies; archives may have a disk of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_analysis.storage.category import Category
from media_analysis.storage.modes import USUAL, Modes

ARCHIVES: Final = "archives"
"""The top folder of the keys that may lie on another disk."""
_ARCHIVE_KEYS: Final = f"{ARCHIVES}/"


@dataclass(frozen=True, slots=True)
class Places:
    """The store's root, and the root of its archives where they do not lie below it.

    A key is the same below either, so archives move to another disk by moving the folder `archives` to its root.
    """

    root: Path
    archives: Path | None = None
    modes: Modes = USUAL

    @property
    def roots(self) -> tuple[Path, ...]:
        """All roots; none lies inside another."""
        return (self.root,) if self.archives is None else (self.root, self.archives)

    def root_of(self, key: str) -> Path:
        """Return below which root an object lies."""
        return self.root if self.archives is None or not key.startswith(_ARCHIVE_KEYS) else self.archives

    def path_of(self, key: str) -> Path:
        """Return where an object lies."""
        return self.root_of(key) / key

    def categories_beside(self, key: str) -> Sequence[Category]:
        """Return the categories whose objects lie below the same root as this one."""
        if self.archives is None:
            return tuple(Category)
        apart = self.root_of(key) == self.archives
        return [category for category in Category if (category is Category.ARCHIVES) == apart]

    def by_root(self, keys: Sequence[str]) -> Sequence[tuple[Path, Sequence[str]]]:
        """Return the keys below each root in their order, the same sequence where they all lie below one."""
        if self.archives is None:
            return [(self.root, keys)]
        archived = [key for key in keys if key.startswith(_ARCHIVE_KEYS)]
        if not archived:
            return [(self.root, keys)]
        others = [key for key in keys if not key.startswith(_ARCHIVE_KEYS)]
        return [*([(self.root, others)] if others else []), (self.archives, archived)]
