"""The roots of a store on disk as they really are: looked at name by name, walked, and their quarantines ended."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Final

from media_analysis.storage.calls import uncancelled
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry
from media_analysis.storage.modes import is_open_to_all
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.places import Places
from media_analysis.storage.presented import Presented
from media_analysis.storage.quarantine import folder_of_day, list_days, unlink_empty_folders
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import DeleteOutcome, ObjectStore
from media_analysis.storage.unlinking import unlink_beneath
from media_analysis.storage.walk import OWN_NAMES, look_up, walk_in_batches

_NO_PLACE: Final = frozenset({"ELOOP", "ENOTDIR"})
"""Why a name cannot be unlinked below a root that has no such folder, but a link in its place."""


class DiskTree:
    """What lies below the roots of a store, whoever put it there; the part of the contract that looks around."""

    places: Places

    def path_of(self, key: str) -> Path:
        """Return where an object lies, or would lie."""
        return self.places.path_of(key)

    def where(self, key: str) -> str:
        return str(self.path_of(key))

    def late_writes(self, key: str) -> None:
        """A name that is unlinked stays so."""

    def keeps_versions(self, key: str) -> bool:
        del key  # what a file system's snapshots keep, nobody can ask
        return False

    def names_first(self, key: str) -> bool:
        del key
        return True

    def sign_address(self, key: str, presented: Presented, *, ends_at: datetime) -> None:
        """Nobody but us reads a disk."""

    def categories_beside(self, key: str) -> Sequence[Category]:
        return self.places.categories_beside(key)

    async def warnings(self) -> Sequence[str]:
        return [
            f"{root} may be entered by every user of this machine, and all below it read; chmod o-x keeps them out"
            for root in self.places.roots
            if is_open_to_all(root)
        ]

    async def look_up(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        return await asyncio.to_thread(look_up, self.places, keys)

    async def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        for root in self.places.roots:
            async for batch in walk_in_batches(root, at_once, skip=OWN_NAMES):
                yield [self._placed(entry, root) for entry in batch]

    def _placed(self, entry: Entry, root: Path) -> Entry:
        return entry if self.places.root_of(entry.name) == root else replace(entry, is_misplaced=True)

    async def list_quarantine_days(self) -> Sequence[date]:
        found = [await asyncio.to_thread(list_days, root) for root in self.places.roots]
        return sorted({day for days in found for day in days})

    async def walk_quarantine(self, day: date, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        folder = folder_of_day(day)
        for root in self.places.roots:
            if day not in await asyncio.to_thread(list_days, root):
                continue  # a link may stand there instead
            async for batch in walk_in_batches(root / folder, at_once):
                yield [replace(entry, name=f"{folder}/{entry.name}") for entry in batch]

    async def delete_set_aside(self, places: Sequence[str]) -> DeleteOutcome:
        return await uncancelled(asyncio.ensure_future(asyncio.to_thread(self._unlink_set_aside, places)))

    def _unlink_set_aside(self, places: Sequence[str]) -> DeleteOutcome:
        failed: dict[str, str] = {}
        for root in self.places.roots:  # each of them: archives may have moved to a disk of their own since
            failed |= {place: why for place, why in unlink_beneath(root, places).failed.items() if why not in _NO_PLACE}
        return DeleteOutcome([place for place in places if place not in failed], failed)

    async def abandoned(self, before: datetime) -> AsyncIterator[Sequence[str]]:
        """Yield nothing: on a disk what is not whole has a name, and its row."""
        del before
        nothing: Sequence[Sequence[str]] = ()
        for keys in nothing:
            yield keys

    async def abort(self, keys: Sequence[str]) -> DeleteOutcome:
        return DeleteOutcome(keys)

    async def end_quarantine_day(self, day: date) -> None:
        for root in self.places.roots:
            await asyncio.to_thread(unlink_empty_folders, root, day)


def places_of(store: ObjectStore) -> Places | None:
    """Return where a store lies if that is on a disk: what is there already can become an object where it is."""
    if isinstance(store, ReplicatedStore):
        store = store.primary
    return store.places if isinstance(store, DiskTree) else None


def roots_of(store: ObjectStore) -> Sequence[Path]:
    """Return the directories in which a store lies, or a part of it whose other part lies in a bucket."""
    if isinstance(store, ReplicatedStore):
        store = store.primary
    parts = (store.main, store.archives) if isinstance(store, PairedStore) else (store,)
    return [root for part in parts if isinstance(part, DiskTree) for root in part.places.roots]
