"""What holds and extensions change of rows: the protection, the moment they fall due, and the version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    Uuid,
    and_,
    any_,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis import audit
from media_analysis.audit import Act
from media_analysis.columns import is_living
from media_analysis.db.database import clock
from media_analysis.files.archived import ArchivedFile
from media_analysis.files.dates import next_due
from media_analysis.files.models import MediaFile
from media_analysis.jobs.models import AnalysisJob, AnalysisResult
from media_analysis.jobs.results import is_visible
from media_analysis.states import FOREVER, FileState


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Nothing may delete it until then; who said so, and why."""

    until: datetime
    """`FOREVER` is until somebody releases it."""
    reason: str
    by: str

    @property
    def ends_at(self) -> datetime | None:
        """None until somebody releases it."""
        return None if self.until == FOREVER else self.until

    def facts(self) -> dict[str, str | None]:
        """Return what the audit trail tells of it."""
        ends_at = None if self.ends_at is None else self.ends_at.isoformat()
        return {"until": ends_at, "reason": self.reason, "by": self.by}


def hold_of(row: MediaFile | AnalysisJob) -> Hold | None:
    """Return the hold a file or a job carries itself, ended or not."""
    if row.held_until is None:
        return None
    return Hold(until=row.held_until, reason=row.hold_reason or "", by=row.held_by or "")


def is_held(file: MediaFile, now: datetime) -> bool:
    """Say whether a hold, its own or its job's, keeps a file."""
    return any(until is not None and until > now for until in (file.held_until, file.job_held_until))


async def lock_file(
    session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None
) -> tuple[MediaFile, datetime] | None:
    """Lock a file and return it with the instant it was looked at; a claim under way is waited for."""
    query = select(MediaFile, clock(now)).where(MediaFile.id == file_id)
    if owner is not None:
        query = query.where(MediaFile.owner == owner)
    row = (await session.execute(query.with_for_update(of=MediaFile))).one_or_none()
    return None if row is None else (row[0], row[1])


async def mark_file_held(session: AsyncSession, file_id: UUID, hold: Hold | None) -> None:
    """Set a file's own hold, or take it away."""
    changes = {
        **_hold_columns(hold),
        "due_at": next_due(held_until=_until(hold)),
        "version": MediaFile.version + 1,
    }
    await session.execute(update(MediaFile).where(MediaFile.id == file_id).values(**changes), execution_options=_BLIND)


async def mark_job_held(session: AsyncSession, job_id: UUID, hold: Hold | None) -> int:
    """Set a locked job's hold and its copy on every file of the job, or take them away; return how many files it has.

    Pending ones carry it too, so that an upload which settles meanwhile takes it along.
    """
    of_job = update(AnalysisJob).where(AnalysisJob.id == job_id).values(**_hold_columns(hold))
    await session.execute(of_job, execution_options=_BLIND)
    files = await _lock_files(session, job_id)
    changes = {
        "job_held_until": _until(hold),
        "due_at": next_due(job_held_until=_until(hold)),
        "version": MediaFile.version + 1,
    }
    differs = MediaFile.job_held_until.is_distinct_from(_until(hold))
    changed = await _change_files(session, job_id, differs, changes)
    return files if hold is not None else len(changed)


async def mark_job_extended(
    session: AsyncSession, job_id: UUID, expires_at: datetime | None, *, now: datetime
) -> Sequence[UUID]:
    """Date a locked job, its stored, living files and its results anew; return the ids of those files.

    The end is the job's own from now on, however long it was to be kept after its run.
    """
    of_job = update(AnalysisJob).where(AnalysisJob.id == job_id).values(expires_at=expires_at, lifetime_seconds=None)
    await session.execute(of_job, execution_options=_BLIND)
    await _lock_files(session, job_id)
    ends_at: SQLColumnExpression[Any] = null() if expires_at is None else literal(expires_at)
    changes = {
        "expires_at": expires_at,
        "expiry_explicit": True,
        "due_at": next_due(expires_at=ends_at),
        "version": MediaFile.version + 1,
    }
    stored = and_(MediaFile.state == FileState.STORED, is_living(MediaFile.expires_at, now))
    changed = await _change_files(session, job_id, stored, changes)
    await _date_results(session, job_id, expires_at, now=now)
    await _date_copies(session, job_id, expires_at)
    return changed


async def add_file_events(session: AsyncSession, act: Act, file_ids: Sequence[UUID]) -> None:
    """Tell of every file what was done to its job."""
    of_file = replace(act, details={"expires_at": act.details["expires_at"]})
    for chunk in _chunks(file_ids):
        await audit.add_file_events(session, of_file, chunk)


CHUNK: Final = 10_000
"""Files of a job that one statement changes: a hundred thousand at once would pass the statement timeout."""
_BLIND = {"synchronize_session": False}
"""Nobody looks at loaded rows after they were changed here."""

_LOCK_FILES = text("""
    SELECT count(*) FROM (SELECT FROM media_files WHERE job_id = :job_id ORDER BY id FOR UPDATE) AS locked
""")


async def _lock_files(session: AsyncSession, job_id: UUID) -> int:
    """Lock a job's files in one order: two who wait for many rows never wait for each other in a circle."""
    locked: int = (await session.execute(_LOCK_FILES, {"job_id": job_id})).scalar_one()
    return locked


async def _date_results(session: AsyncSession, job_id: UUID, expires_at: datetime | None, *, now: datetime) -> None:
    in_order = select(AnalysisResult.id).where(AnalysisResult.job_id == job_id, is_visible(now))
    locked = in_order.order_by(AnalysisResult.id).with_for_update()
    ids = (await session.scalars(locked)).all()
    for chunk in _chunks(ids):
        of_chunk = update(AnalysisResult).where(AnalysisResult.id == any_(literal(chunk, ARRAY(Uuid))))
        await session.execute(of_chunk.values(expires_at=expires_at), execution_options=_BLIND)


async def _date_copies(session: AsyncSession, job_id: UUID, expires_at: datetime | None) -> None:
    """Give the files inside a job's archive the end they have once they are restored."""
    in_order = select(ArchivedFile.file_id).where(ArchivedFile.job_id == job_id).order_by(ArchivedFile.file_id)
    ids = (await session.scalars(in_order.with_for_update())).all()
    for chunk in _chunks(ids):
        of_chunk = update(ArchivedFile).where(ArchivedFile.file_id == any_(literal(chunk, ARRAY(Uuid))))
        dated = of_chunk.values(expires_at=expires_at, expiry_explicit=True)
        await session.execute(dated, execution_options=_BLIND)


async def _change_files(
    session: AsyncSession, job_id: UUID, which: ColumnElement[bool], changes: Mapping[str, Any]
) -> Sequence[UUID]:
    """Change locked files of a job, a chunk after the other, and return their ids."""
    found = await session.scalars(select(MediaFile.id).where(MediaFile.job_id == job_id, which).order_by(MediaFile.id))
    ids = found.all()
    for chunk in _chunks(ids):
        of_chunk = update(MediaFile).where(MediaFile.id == any_(literal(chunk, ARRAY(Uuid)))).values(**changes)
        await session.execute(of_chunk, execution_options=_BLIND)
    return ids


def _chunks(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _until(hold: Hold | None) -> SQLColumnExpression[Any]:
    return null() if hold is None else literal(hold.until)


def _hold_columns(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"held_until": None, "held_by": None, "hold_reason": None}
    return {"held_until": hold.until, "held_by": hold.by, "hold_reason": hold.reason}
