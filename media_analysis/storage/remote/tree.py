"""What lies in a bucket below an address, whoever put it there: looked at, listed, and set aside."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from itertools import count

from media_analysis.errors import MediaAnalysisError, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import Held, reason_of, unheld
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.quarantine import folder_of_day
from media_analysis.storage.remote.assembling import assemble
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.deleting import delete_all
from media_analysis.storage.remote.joining import join
from media_analysis.storage.remote.marker import RECENT_SECONDS, RemoteMarker
from media_analysis.storage.remote.names import is_own, is_path
from media_analysis.storage.remote.rules import BucketRules, examine
from media_analysis.storage.store import DeleteOutcome
from media_analysis.storage.walk import QUARANTINE

LATE_WRITES = timedelta(days=1)
"""How long a request that nobody waits for any more may still be on its way."""
COPIED_BYTES = 5 * 2**30
"""What one request to S3 copies; what is larger is copied in parts, and elsewhere read and put again."""


class RemoteTree:
    """What lies below an address; the part of the contract that looks around."""

    def __init__(self, bucket: Bucket, marker: RemoteMarker) -> None:
        self.bucket = bucket
        self.marker = marker
        self._rules: BucketRules | None = None
        self._examined_at = float("-inf")

    async def examine(self) -> BucketRules:
        """Return what the bucket is set to do behind the store's back, as far as it tells.

        Raises:
            StoreUnavailable: it does not answer.

        """
        self._rules = await examine(self.bucket)
        return self._rules

    async def examine_again(self) -> None:
        """Ask once more whether it keeps what is deleted, unless somebody did a moment ago, as far as it tells."""
        if self._rules is None or time.monotonic() - self._examined_at > RECENT_SECONDS:
            self._examined_at = time.monotonic()
            with suppress(MediaAnalysisError):
                await self.examine()

    def keeps_versions(self, key: str) -> bool:
        del key  # all lie in one bucket
        return self._rules is not None and bool(self._rules.keeps_versions)

    def where(self, key: str) -> str:
        return self.bucket.address.where(key)

    def late_writes(self, key: str) -> timedelta:
        del key
        return LATE_WRITES

    def names_first(self, key: str) -> bool:
        del key  # a put brings all
        return False

    def categories_beside(self, key: str) -> Sequence[Category]:
        del key  # all lie in one bucket
        return tuple(Category)

    async def look_up(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        found = await self.bucket.each(self._look_at, keys)
        if None in found:
            with suppress(ObjectMissing):  # rather than that the bucket is
                await self.bucket.find(keys[found.index(None)])
        return found

    async def _look_at(self, key: str) -> Entry | None:
        if not is_path(key):
            return Entry(key, EntryKind.UNREADABLE, reason="the name is no path")
        try:
            return await self.bucket.head(key)
        except ObjectMissing:
            return None
        except MediaAnalysisError as error:
            return Entry(key, EntryKind.UNREADABLE, reason=reason_of(error))

    async def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        async for page in self.bucket.pages(at_once=at_once):
            if found := [entry for entry in page if not is_own(entry.name)]:
                yield found

    async def set_aside(self, keys: Sequence[str], *, day: date, require_held: Held = unheld) -> Mapping[str, str]:
        """Copy objects into the day's quarantine, look at the copies, then delete; no place there is taken twice.

        A crash between leaves an object in both places, never in none. One whose name is no path, or too long for a
        place in quarantine, stays where it is.
        """
        await self.marker.require()
        taken: set[str] = set()
        moved = await self.bucket.each(lambda key: self._copy_aside(key, f"{folder_of_day(day)}/{key}", taken), keys)
        places = {key: place for key, place in zip(keys, moved, strict=True) if place is not None}
        failpoint("aside.copied")
        await require_held()
        failed = await delete_all(self.bucket, list(places))
        if failed:
            raise StoreUnavailable(f"what was set aside stays where it was, too: {next(iter(failed.values()))}")
        return places

    async def _copy_aside(self, key: str, wanted: str, taken: set[str]) -> str | None:
        if not self.bucket.takes(wanted):
            return None
        try:
            entry = await self.bucket.find(key)
        except ObjectMissing:
            return None
        place = await self._free_place(wanted, taken)
        if entry.size_bytes <= COPIED_BYTES:
            await self.bucket.copy(key, place)
        elif self.bucket.requests is not None:
            await join(self.bucket, self.bucket.requests, place, [(key, entry.size_bytes)])
        else:
            await assemble(self.bucket, place, [(key, entry.size_bytes)])
        copied = await self.bucket.find(place)
        if copied.size_bytes != entry.size_bytes:
            raise StoreUnavailable(f"a copy has {copied.size_bytes} bytes, not {entry.size_bytes}")
        return place

    async def _free_place(self, wanted: str, taken: set[str]) -> str:
        for number in count():
            place = f"{wanted}.{number}" if number else wanted
            if place in taken:
                continue  # by another of those that are set aside just now
            taken.add(place)
            try:
                await self.bucket.head(place)
            except ObjectMissing:
                return place
        raise AssertionError

    async def list_quarantine_days(self) -> Sequence[date]:
        days = []
        for name in await self.bucket.folders(QUARANTINE):
            with suppress(ValueError):
                days.append(date.fromisoformat(name))
        return sorted(days)

    async def walk_quarantine(self, day: date, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        async for page in self.bucket.pages(folder_of_day(day), at_once=at_once):
            yield page

    async def delete_set_aside(self, places: Sequence[str]) -> DeleteOutcome:
        failed = dict(await delete_all(self.bucket, places))
        return DeleteOutcome([place for place in places if place not in failed], failed)

    async def end_quarantine_day(self, day: date) -> None:
        """Nothing is left of a folder in which no object lies."""
