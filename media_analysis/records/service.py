"""Ends records whose life is over, a batch at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.ids import first_id
from media_analysis.deletion.pauses import find_clock_pause
from media_analysis.errors import DeletionPaused, StoreUnavailable
from media_analysis.events.ending import EventEndService
from media_analysis.failpoints import failpoint
from media_analysis.records.kinds import KINDS, RecordKind
from media_analysis.records.leftovers import LeftoverService
from media_analysis.records.models import RecordEnd, note_end
from media_analysis.records.quarantine import NAME as QUARANTINE
from media_analysis.records.quarantine import QuarantineService
from media_analysis.retention.guard.clock import ClockService

BATCH: Final = 1_000
EVENTS: Final = "events"
_ALL: Final = 2**62
_BEFORE_ALL: Final = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
# Losing it in a crash means that the same records end again. The second opens what is append-only for all others.
_BEGIN: Final = text("""
    SELECT set_config('synchronous_commit', 'off', true), set_config('media_analysis.ends_records', 'on', true)
""")
log = structlog.get_logger()


_TABLE: Final = text("""
    SELECT greatest(reltuples, 0)::bigint AS records, pg_total_relation_size(oid) AS size_bytes
    FROM pg_class WHERE oid = CAST(:table AS text)::regclass
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLife:
    """How records of one kind live, and how they stand."""

    name: str
    table: str
    setting: str | None
    """None for what lasts no longer than it is good for."""
    life: timedelta | None
    """None is for ever."""
    table_records: int | None
    """About how many the table has of all its kinds, when PostgreSQL last looked; None for what is on disk."""
    table_bytes: int | None
    """What the table and its indexes take; None for what is on disk."""
    oldest_at: datetime | None
    """When the life of the oldest, or of one beside it, began to count."""
    ended_before: datetime | None
    """Records that were over earlier than that may be gone; None while none have ended."""
    ended: int


class _Batch(NamedTuple):
    ended: int
    seen: int
    at: datetime | None
    id: UUID | None


_NONE: Final = _Batch(0, 0, None, None)


@dataclass(frozen=True)
class RecordService:
    """Ends records by their lives; two at once take turns, and whatever breaks off is gone on with by the next."""

    db: Database
    clock: ClockService
    lives: Mapping[str, timedelta | None]
    """By the names of settings; None is for ever."""
    quarantine: QuarantineService
    events: EventEndService
    leftovers: LeftoverService
    batch: int = BATCH

    async def end(self, *, now: datetime | None = None) -> Mapping[str, int]:
        """End what is over, and return how many records that were, by kind.

        Pauses do not keep records, which are no stored bytes, but what is in quarantine; a clock that is not to be
        trusted keeps all.

        Raises:
            DeletionPaused: the clock is not to be trusted.
            MarkerMismatch: the records have ended, but this is not the database's store.

        """
        await self.clock.check()
        await self._require_clock()
        moment = now or await self.db.now()
        ended = {kind.name: await self._walk(kind, moment, dry_run=False) for kind in KINDS}
        ended[EVENTS] = await self._end_events(moment)
        ended[QUARANTINE] = await self.quarantine.end(now=moment)
        if aborted := await self.leftovers.end(now=moment):
            log.info("leftovers.ended", objects=aborted)
        told = {name: records for name, records in ended.items() if records}
        if told:
            log.info("records.ended", **told)
        return ended

    async def rehearse(self, *, now: datetime | None = None) -> Mapping[str, int]:
        """Return how many records would end now, by kind; changes nothing."""
        moment = now or await self.db.now()
        ended = {kind.name: await self._walk(kind, moment, dry_run=True) for kind in KINDS}
        events = await self.events.rehearse(now=moment)
        return {**ended, EVENTS: events, QUARANTINE: await self.quarantine.rehearse(now=moment)}

    async def list(self, *, patience_seconds: float | None = None) -> Sequence[RecordLife]:
        """Return how records live and stand, kind by kind.

        What the store alone knows is left out where it does not say so within `patience_seconds`.

        Raises:
            StoreUnavailable: it does not answer, and it is waited for.

        """
        first_at = await self.events.find_oldest()
        try:
            async with asyncio.timeout(patience_seconds):
                oldest_at = await self.quarantine.find_oldest()
        except (TimeoutError, StoreUnavailable):
            if patience_seconds is None:
                raise
            oldest_at = None

        async def read() -> Sequence[RecordLife]:
            async with self.db.read_only() as session:
                ends = {end.name: end for end in await session.scalars(select(RecordEnd))}
                lives = [await self._look(session, kind, ends.get(kind.name)) for kind in KINDS]
                table = (await session.execute(_TABLE, {"table": EVENTS})).one()
                of_events = self._describe_events(first_at, table, ends.get(EVENTS))
                return [*lives, of_events, self._describe_quarantine(oldest_at, ends.get(QUARANTINE))]

        return await self.db.retry(read)

    def _describe_events(self, oldest_at: datetime | None, table: Any, end: RecordEnd | None) -> RecordLife:
        return RecordLife(
            name=EVENTS,
            table=EVENTS,
            setting="events.keep",
            life=self.events.life,
            table_records=table.records,
            table_bytes=table.size_bytes,
            oldest_at=oldest_at,
            ended_before=None if end is None else end.ended_before,
            ended=0 if end is None else end.records,
        )

    def _describe_quarantine(self, oldest_at: datetime | None, end: RecordEnd | None) -> RecordLife:
        return RecordLife(
            name=QUARANTINE,
            table=f".{QUARANTINE}",
            setting=f"storage.records.{QUARANTINE}",
            life=self.quarantine.life,
            table_records=None,
            table_bytes=None,
            oldest_at=oldest_at,
            ended_before=None if end is None else end.ended_before,
            ended=0 if end is None else end.records,
        )

    async def _look(self, session: AsyncSession, kind: RecordKind, end: RecordEnd | None) -> RecordLife:
        table = (await session.execute(_TABLE, {"table": kind.table})).one()
        return RecordLife(
            name=kind.name,
            table=kind.table,
            setting=None if kind.life is None else f"storage.records.{kind.life}",
            life=self._life_of(kind),
            table_records=table.records,
            table_bytes=table.size_bytes,
            oldest_at=(await session.scalars(kind.oldest)).one_or_none(),
            ended_before=None if end is None else end.ended_before,
            ended=0 if end is None else end.records,
        )

    def _life_of(self, kind: RecordKind) -> timedelta | None:
        return timedelta(0) if kind.life is None else self.lives[kind.life]

    async def _require_clock(self) -> None:
        async with self.db.read_only() as session:
            pause = await find_clock_pause(session)
        if pause is not None:
            raise DeletionPaused("records", pause_id=pause.id, reason=pause.reason)

    async def _walk(self, kind: RecordKind, now: datetime, *, dry_run: bool) -> int:
        life = self._life_of(kind)
        if life is None:
            return 0
        place: dict[str, Any] = {"at": _BEFORE_ALL, "id": UUID(int=0)}
        before, total = now - life, 0
        limit = _ALL if dry_run and not kind.is_walked else self.batch
        bounds = {"before": before, "newest": first_id(before), "now": now, "limit": limit}
        act = self._count if dry_run else self._end
        while True:
            batch = await act(kind, bounds | place)
            total += batch.ended
            if batch.seen < limit:
                return total
            place = {"at": batch.at, "id": batch.id}

    @retried
    async def _end(self, kind: RecordKind, asked: Mapping[str, Any]) -> _Batch:
        async with self.db.transaction() as session:
            await session.execute(_BEGIN)
            batch = await _one(session, kind.ending, asked)
            if batch.ended:
                await note_end(session, kind.name, before=asked["before"], records=batch.ended, now=asked["now"])
                failpoint("records.ending")
        return batch

    @retried
    async def _end_events(self, now: datetime) -> int:
        ended = await self.events.end(now=now)
        if ended and self.events.life is not None:
            async with self.db.transaction() as session:
                await note_end(session, EVENTS, before=now - self.events.life, records=ended, now=now)
        return ended

    async def _count(self, kind: RecordKind, asked: Mapping[str, Any]) -> _Batch:
        async with self.db.read_only() as session:
            return await _one(session, kind.counting, asked)


async def _one(session: AsyncSession, statement: Any, asked: Mapping[str, Any]) -> _Batch:
    wanted = {name: asked[name] for name in statement.compile().params}
    row = (await session.execute(statement, wanted)).one_or_none()
    return _NONE if row is None else _Batch(*row)
