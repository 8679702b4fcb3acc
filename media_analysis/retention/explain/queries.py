"""What an explanation reads: rows, tombstones with their outbox entries, events, and places in the eviction order."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, SelectBase, Uuid, any_, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from media_analysis.audit import Action, AuditEvent
from media_analysis.db.database import clock
from media_analysis.deletion.models import Purge
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.jobs.models import AnalysisJob
from media_analysis.policy.decision import Policy
from media_analysis.retention.pressure.foresight import foresee
from media_analysis.retention.pressure.outcome import Blocked
from media_analysis.states import FileState

MOST_EVENTS: Final = 200
"""Older ones are not told."""
MOST_BEFORE: Final = 2_000
"""How many places ahead of a file in the eviction order are looked at."""


@dataclass(frozen=True, slots=True)
class LivingFile:
    """A row, its job, and the instant both are looked at."""

    file: MediaFile
    job: AnalysisJob | None
    now: datetime


@dataclass(frozen=True, slots=True)
class DeletedFile:
    """A tombstone, and the outbox entry of its bytes."""

    stone: Tombstone
    purge: Purge | None
    now: datetime


@dataclass(frozen=True, slots=True)
class EvictionRank:
    """A file's place in its category's eviction order, 1 is next; capped, it is the earliest it can be."""

    rank: int
    capped: bool


def _of(column: ColumnElement[str] | Any, owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [column == owner]


async def get_living(
    session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None
) -> LivingFile | None:
    """Return a file in any state with its job, and what the clock says."""
    query = (
        select(MediaFile, AnalysisJob, clock(now))
        .outerjoin(AnalysisJob, AnalysisJob.id == MediaFile.job_id)
        .where(MediaFile.id == file_id, *_of(MediaFile.owner, owner))
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else LivingFile(*row)


async def get_deleted(
    session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None
) -> DeletedFile | None:
    """Return what stays of a deleted file, and of its bytes.

    An upload that was never acknowledged is told to administrators only, as everywhere.
    """
    query = (
        select(Tombstone, Purge, clock(now))
        .outerjoin(Purge, Purge.id == Tombstone.purge_id)
        .where(Tombstone.id == file_id, *_of(Tombstone.owner, owner))
    )
    if owner is not None:
        query = query.where(Tombstone.state != FileState.PENDING)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else DeletedFile(*row)


async def list_events(
    session: AsyncSession, file_id: UUID, job_id: UUID | None, *, since: datetime
) -> Sequence[AuditEvent]:
    """Return the latest events of a file, of holds on its job, and of its job's archive `since` then, oldest first."""
    sources = [_latest(AuditEvent.file_id == file_id)]
    if job_id is not None:
        held = AuditEvent.action.in_([Action.HELD, Action.RELEASED])
        packed = AuditEvent.action.in_([Action.ARCHIVED, Action.UNARCHIVED]) & (AuditEvent.at >= since)
        sources.append(_latest_of_job(job_id).where(held | packed))
    return await _load(session, sources)


async def list_job_events(session: AsyncSession, job_id: UUID) -> Sequence[AuditEvent]:
    """Return the latest events of a job, those of its single files apart, oldest first."""
    return await _load(session, [_latest_of_job(job_id)])


def is_one_of(column: ColumnElement[UUID] | InstrumentedAttribute[UUID], ids: SelectBase) -> ColumnElement[bool]:
    """Compare with the ids a query finds, as an array: `IN (SELECT ...)` may read the whole table (design law 7)."""
    return column == any_(func.array(ids.scalar_subquery(), type_=ARRAY(Uuid)))


def _latest_of_job(job_id: UUID) -> Select[UUID]:
    return _latest(AuditEvent.job_id == job_id, AuditEvent.file_id.is_(None))


def _latest(*about: ColumnElement[bool]) -> Select[UUID]:
    return select(AuditEvent.id).where(*about).order_by(AuditEvent.id.desc()).limit(MOST_EVENTS)


async def _load(session: AsyncSession, sources: Sequence[Select[UUID]]) -> Sequence[AuditEvent]:
    # Each source by its own index: joined by OR, the planner may walk the whole trail backwards instead.
    ids = union_all(*(select(source.subquery()) for source in sources))
    query = select(AuditEvent).where(is_one_of(AuditEvent.id, ids)).order_by(AuditEvent.id.desc()).limit(MOST_EVENTS)
    return list(reversed((await session.scalars(query)).all()))


async def get_rank(
    session: AsyncSession, file: MediaFile, policy: Policy, *, now: datetime, owner: str | None, most: int
) -> EvictionRank | None:
    """Count what would go before a file if its category came under pressure; None if it would stay.

    Files that stay do not count, nor do those of others where `owner` asks.
    """
    rank = looked_at = 0
    async with aclosing(foresee(session, (file.category,), policy, now=now, blocked=Blocked())) as evictions:
        async for eviction in evictions:
            rank += owner in {None, eviction.candidate.owner}
            looked_at += 1
            if eviction.candidate.file.id == file.id:
                return EvictionRank(rank, capped=False)
            if looked_at > most:
                return EvictionRank(max(rank, 1), capped=True)
    return None
