"""Reading jobs; every statement carries the owner it is allowed to look for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, null, select, text, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from media_analysis.db.database import clock
from media_analysis.db.ids import made_between
from media_analysis.errors import JobGone, JobNotFound
from media_analysis.files.labelled import leading, meets
from media_analysis.jobs.labelled import JobLabel, is_listed
from media_analysis.jobs.models import AnalysisJob, JobAudit, JobSource, JobStatus
from media_analysis.labels import LabelFilter

_USERS = text("""
    SELECT job_id FROM (
        SELECT job_id FROM job_sources WHERE file_id = :file_id AND until > :now ORDER BY until DESC LIMIT 20
    ) AS users ORDER BY job_id
""")


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs a list shows; None, or no status at all, means any."""

    owner: str | None = None
    statuses: Sequence[JobStatus] = ()
    kind: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    folder_name: str | None = None
    folder_prefix: str | None = None
    labels: tuple[LabelFilter, ...] = ()
    """All of which are to be met; a list is read along the first that is wanted."""

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (AnalysisJob.owner, self.owner),
                (AnalysisJob.kind, self.kind),
                (AnalysisJob.folder_name, self.folder_name),
            )
            if value is not None
        ]
        if self.statuses:
            wanted.append(AnalysisJob.status.in_(self.statuses))
        if self.folder_prefix is not None:
            wanted += _begins_with(self.folder_prefix)
        wanted += [meets(AnalysisJob.labels, label) for label in self.labels]
        return wanted + made_between(AnalysisJob.id, AnalysisJob.created_at, self.created_after, self.created_before)


def _begins_with(prefix: str) -> list[ColumnElement[bool]]:
    # The index compares bytes; LIKE would use it only where the planner sees the pattern.
    at_least = AnalysisJob.folder_name.bool_op("~>=~")(prefix)
    return [at_least, AnalysisJob.folder_name.bool_op("~<~")(f"{prefix}\x7f")]


async def get_job(
    session: AsyncSession, job_id: UUID, *, owner: str | None, now: datetime | None = None, lock: bool = False
) -> tuple[AnalysisJob, datetime] | None:
    """Return a job that was not deleted, and the instant it was looked at.

    A lock keeps uploads from registering into the job, and waits for those that just do (their foreign key).
    """
    query = select(AnalysisJob, clock(now)).where(AnalysisJob.id == job_id, AnalysisJob.deleted_at.is_(None))
    if owner is not None:
        query = query.where(AnalysisJob.owner == owner)
    if lock:
        query = query.with_for_update(of=AnalysisJob)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def require_job(
    session: AsyncSession, job_id: UUID, *, owner: str | None, now: datetime | None = None, lock: bool = False
) -> tuple[AnalysisJob, datetime]:
    """Return a job as `get_job` does.

    Raises:
        JobNotFound: unknown, or somebody else's.
        JobGone: deleted.

    """
    found = await get_job(session, job_id, owner=owner, now=now, lock=lock)
    if found is None:
        await raise_absent(session, job_id, owner)
    return found


async def raise_absent(session: AsyncSession, job_id: UUID, owner: str | None) -> NoReturn:
    """Tell a deleted job, whose row or at least summary is there, from one that never was.

    Raises:
        JobGone, JobNotFound: what it is.

    """
    row = select(AnalysisJob.owner, AnalysisJob.deleted_at, AnalysisJob.restorable_until)
    summary = select(JobAudit.owner, JobAudit.deleted_at, null())
    for query in (row.where(AnalysisJob.id == job_id), summary.where(JobAudit.job_id == job_id)):
        known = (await session.execute(query)).one_or_none()
        if known is not None and owner in {None, known[0]}:
            raise JobGone(job_id, deleted_at=known[1], restorable_until=known[2])
    raise JobNotFound(job_id)


def select_jobs(
    wanted: JobFilter, *, before: UUID | None, limit: int, now: datetime | None = None
) -> Select[AnalysisJob, datetime]:
    """Return the query of a page of active jobs, neither archived nor deleted, newest first, in an index's order."""
    active = (AnalysisJob.archived_at.is_(None), AnalysisJob.deleted_at.is_(None))
    label = leading(wanted.labels)
    if label is not None:
        return _select_labelled(wanted, label, *active, before=before, now=now).limit(limit)
    query = select(AnalysisJob, clock(now)).where(*wanted.conditions(), *active)
    if before is not None:
        query = query.where(AnalysisJob.id < before)
    return query.order_by(AnalysisJob.id.desc()).limit(limit)


def _select_labelled(
    wanted: JobFilter, label: LabelFilter, *active: ColumnElement[bool], before: UUID | None, now: datetime | None
) -> Select[AnalysisJob, datetime]:
    # One job for each row: a plan that may begin with the jobs goes through those that have no label (decision 38).
    each = select(AnalysisJob).where(AnalysisJob.id == JobLabel.job_id, *wanted.conditions(), *active).offset(0)
    job = aliased(AnalysisJob, each.correlate(JobLabel).lateral("job"))
    query = select(job, clock(now)).select_from(JobLabel).join(job, true()).where(is_listed(label, owner=wanted.owner))
    if before is not None:
        query = query.where(JobLabel.job_id < before)
    return query.order_by(JobLabel.job_id.desc())


async def list_sources(session: AsyncSession, job_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[UUID]]:
    """Return the ids of the sources of jobs, in order; jobs without any are left out."""
    in_order = func.array_agg(aggregate_order_by(JobSource.file_id, JobSource.position))
    query = select(JobSource.job_id, in_order).where(JobSource.job_id.in_(job_ids)).group_by(JobSource.job_id)
    return {row[0]: row[1] for row in await session.execute(query)}


async def list_users(session: AsyncSession, file_id: UUID, *, now: datetime) -> Sequence[UUID]:
    """Return the ids of jobs that work with a file, or wait and have it pinned: the twenty that keep it longest."""
    return (await session.scalars(_USERS, {"file_id": file_id, "now": now})).all()
