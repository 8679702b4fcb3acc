"""Ends what was set aside in the quarantine of the store: stored bytes, which a pause keeps."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.locks import locked
from media_analysis.deletion.outbox import QUARANTINE_LOCK
from media_analysis.deletion.pauses import list_pauses
from media_analysis.deletion.unclaimed import list_unclaimed
from media_analysis.records.models import note_end
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.keys import folder_of
from media_analysis.storage.store import ObjectStore

NAME: Final = "quarantine"
AT_ONCE: Final = 200
"""Objects deleted under one lock, which a pause waits for."""
SHOWN: Final = 20
log = structlog.get_logger()


@dataclass
class _Kept:
    """What stayed beyond its life, and why."""

    reasons: Counter[str] = field(default_factory=Counter)
    places: list[str] = field(default_factory=list)

    def add(self, reason: str, places: Sequence[str]) -> None:
        self.reasons[reason] += len(places)
        shown = places[: SHOWN - len(self.places)]
        self.places.extend(place.encode(errors="backslashreplace").decode() for place in shown)


@dataclass(frozen=True, slots=True)
class _Batch:
    places: Sequence[str]
    before: datetime
    now: datetime
    kept: _Kept


_Act = Callable[[_Batch], Awaitable[int]]


@dataclass(frozen=True)
class QuarantineService:
    """Unlinks objects that were set aside longer ago than their life, but what a row claims."""

    db: Database
    store: ObjectStore
    life: timedelta | None
    """None is for ever."""
    is_ending: bool = True
    """Whether stored bytes end by the schedule at all."""
    at_once: int = AT_ONCE

    async def end(self, *, now: datetime) -> int:
        """End what is over, and return how many objects that were.

        Raises:
            MarkerMismatch: this is not the database's store.

        """
        kept = _Kept()
        ended = await self._walk(self._end, now, kept)
        if kept.places:
            log.warning("quarantine.kept", **+kept.reasons, places=kept.places)
        for day in await self._list_over(now):
            await self.store.end_quarantine_day(day)
        return ended

    async def rehearse(self, *, now: datetime) -> int:
        """Return how many objects would end now; changes nothing."""
        return await self._walk(self._count, now, _Kept())

    async def find_oldest(self) -> datetime | None:
        """Return the day on which what is there longest was set aside; None where nothing is."""
        return min(map(_begin, await self.store.list_quarantine_days()), default=None)

    async def _walk(self, act: _Act, now: datetime, kept: _Kept) -> int:
        return sum([await act(batch) async for batch in self._batches(now, kept)])

    async def _batches(self, now: datetime, kept: _Kept) -> AsyncIterator[_Batch]:
        for day in await self._list_over(now):
            async for entries in self.store.walk_quarantine(day, self.at_once):
                places = [entry.name for entry in entries if not _is_unreadable(entry)]
                kept.add("unreadable", [entry.name for entry in entries if _is_unreadable(entry)])
                yield _Batch(places, _begin(day + timedelta(days=1)), now, kept)

    async def _list_over(self, now: datetime) -> Sequence[date]:
        """Return the days that were over for a whole life."""
        if self.life is None or not self.is_ending:
            return []
        last = (now - self.life).astimezone(UTC).date()
        return [day for day in await self.store.list_quarantine_days() if day < last]

    async def _end(self, batch: _Batch) -> int:
        # Held while they go: a pause that begins now waits for them, and one that stands is seen below.
        async with locked(self.db, QUARANTINE_LOCK) as lock:
            async with self.db.read_only() as session:
                free = await self._list_free(session, batch)
            await self.store.require_marker()
            await lock.require()
            outcome = await self.store.delete_set_aside(free)
        batch.kept.add("failed", list(outcome.failed))
        if ended := len(free) - len(outcome.failed):
            await self._note_end(batch, ended)
        return ended

    @retried
    async def _note_end(self, batch: _Batch, ended: int) -> None:
        async with self.db.transaction() as session:
            await note_end(session, NAME, before=batch.before, records=ended, now=batch.now)

    async def _count(self, batch: _Batch) -> int:
        async with self.db.read_only() as session:
            return len(await self._list_free(session, batch))

    async def _list_free(self, session: AsyncSession, batch: _Batch) -> Sequence[str]:
        """Return what no pause keeps and no row names, where it lies or where it lay."""
        pauses = [pause for pause in await list_pauses(session, is_open=True) if not pause.cause.stops_evictions_only]
        paused = {pause.category for pause in pauses}
        running = [place for place in batch.places if not paused & {None, _category_of(place)}]
        names = {place: _names(place) for place in running}
        asked = list({name for known in names.values() for name in known})
        unclaimed = set(await list_unclaimed(session, asked))
        batch.kept.add("claimed", [place for place in running if not unclaimed.issuperset(names[place])])
        return [place for place in running if unclaimed.issuperset(names[place])]


def _names(place: str) -> Sequence[str]:
    """Return the keys a row may have for an object: where it lies, and where it lay, numbered or not."""
    key = _key_of(place)
    plain, _, number = key.rpartition(".")
    names = (place, key, plain) if plain and number.isdecimal() else (place, key)
    return [name for name in names if Entry(name, EntryKind.FILE).sayable]


def _key_of(place: str) -> str:
    _, _, key = place.split("/", 2)
    return key


def _category_of(place: str) -> Category | None:
    folder = _key_of(place).partition("/")[0]
    return next((category for category in Category if folder_of(category) == folder), None)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _is_unreadable(entry: Entry) -> bool:
    return entry.kind is EntryKind.UNREADABLE
