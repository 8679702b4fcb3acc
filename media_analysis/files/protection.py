"""What keeps files: holds of their own and of their jobs, leases, and the ends that somebody gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    literal,
    null,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import is_living
from media_analysis.db.database import clock
from media_analysis.db.ids import BLIND, change_in_order
from media_analysis.files.dates import next_due
from media_analysis.files.models import MediaFile
from media_analysis.states import FileState, finite

_LOCK_FILES: Final = text("""
    SELECT count(*) FROM (SELECT FROM media_files WHERE job_id = :job_id ORDER BY id FOR UPDATE) AS locked
""")


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
        return finite(self.until)

    def facts(self) -> dict[str, str | None]:
        """Return what the audit trail tells of it."""
        ends_at = None if self.ends_at is None else self.ends_at.isoformat()
        return {"until": ends_at, "reason": self.reason, "by": self.by}


def hold_columns(hold: Hold | None) -> dict[str, Any]:
    """Return the columns of a file or a job that say of its own hold, or of none."""
    if hold is None:
        return {"held_until": None, "held_by": None, "hold_reason": None}
    return {"held_until": hold.until, "held_by": hold.by, "hold_reason": hold.reason}


async def lock_file(
    session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None
) -> tuple[MediaFile, datetime] | None:
    """Lock a file and return it with the instant it was looked at; a claim under way is waited for."""
    query = select(MediaFile, clock(now)).where(MediaFile.id == file_id)
    if owner is not None:
        query = query.where(MediaFile.owner == owner)
    row = (await session.execute(query.with_for_update(of=MediaFile))).one_or_none()
    return None if row is None else (row[0], row[1])


async def mark_held(session: AsyncSession, file_id: UUID, hold: Hold | None) -> None:
    """Set a file's own hold, or take it away."""
    changes = {**hold_columns(hold), **_dated(next_due(held_until=_until(hold)))}
    await session.execute(update(MediaFile).where(MediaFile.id == file_id).values(changes), execution_options=BLIND)


async def mark_held_with_job(session: AsyncSession, job_id: UUID, hold: Hold | None) -> int:
    """Copy a locked job's hold to every file of it, or take it away; return how many files that concerns.

    Pending ones carry it too, so that an upload which settles meanwhile takes it along.
    """
    until = _until(hold)
    files = await _lock_files(session, job_id)
    held = update(MediaFile).values(job_held_until=until, **_dated(next_due(job_held_until=until)))
    differs = MediaFile.job_held_until.is_distinct_from(until)
    changed = await change_in_order(session, held, MediaFile.id, MediaFile.job_id == job_id, differs)
    return files if hold is not None else len(changed)


async def mark_ending_with_job(
    session: AsyncSession, job_id: UUID, expires_at: datetime | None, *, now: datetime
) -> Sequence[UUID]:
    """Let the stored, living files of a locked job end when it does; return their ids."""
    await _lock_files(session, job_id)
    theirs = (MediaFile.job_id == job_id, MediaFile.state == FileState.STORED, is_living(MediaFile.expires_at, now))
    return await change_in_order(session, update(MediaFile).values(**ending(expires_at)), MediaFile.id, *theirs)


def ending(expires_at: SQLColumnExpression[Any] | datetime | None) -> Mapping[str, Any]:
    """Return what changes of a stored file when somebody asks for its end; None is never."""
    ends_at = literal(expires_at) if isinstance(expires_at, datetime) else null() if expires_at is None else expires_at
    return {"expires_at": ends_at, "expiry_explicit": True, **_dated(next_due(expires_at=ends_at))}


def _dated(due_at: ColumnElement[datetime | None]) -> Mapping[str, Any]:
    return {"due_at": due_at, "version": MediaFile.version + 1}


def _until(hold: Hold | None) -> SQLColumnExpression[Any]:
    return null() if hold is None else literal(hold.until)


async def _lock_files(session: AsyncSession, job_id: UUID) -> int:
    """Lock a job's files in one order: two who wait for many rows never wait for each other in a circle."""
    locked: int = (await session.execute(_LOCK_FILES, {"job_id": job_id})).scalar_one()
    return locked
