"""What an owner tells a job: to begin, to stop, to try again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, clock, retried
from media_analysis.deletion.discarding import DiscardService
from media_analysis.errors import JobArchived, JobEnded, JobNotFailed, SourceUnusable
from media_analysis.failpoints import failpoint
from media_analysis.jobs.adding import add_job
from media_analysis.jobs.attempts import leases
from media_analysis.jobs.attempts.ending import JobEnd, end_jobs
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobSource, JobStatus
from media_analysis.jobs.queries import JobFilter, require_job
from media_analysis.jobs.waiting import require_place, take_place
from media_analysis.settings.worker import WorkerSettings

BATCH: Final = 1000

# As the index has it, which a parameter would hide from the planner.
_WAITING: Final[ColumnElement[bool]] = text("status = 'pending'")  # type: ignore[assignment]
# Locked, so that none of them expires or goes between being looked at and being pinned.
_LOCK_USABLE = text("""
    SELECT id FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) AND owner = :owner AND state = 'stored'
        AND (expires_at IS NULL OR expires_at > :now OR leased_until > :now)
    ORDER BY id FOR UPDATE
""")


async def cancel_batch(session: AsyncSession, wanted: JobFilter, *, after: UUID, now: datetime) -> Sequence[UUID]:
    """Cancel the first jobs behind an id that fit and waited by then; return their ids, in order: `BATCH` at most.

    Those that somebody claims meanwhile are passed over.
    """
    query = (
        select(AnalysisJob.id)
        .where(*wanted.conditions(), _WAITING, AnalysisJob.deleted_at.is_(None))
        .where(AnalysisJob.id > after, AnalysisJob.created_at <= now)
        .order_by(AnalysisJob.id)
        .limit(BATCH)
        .with_for_update()
    )
    ids = (await session.scalars(query)).all()
    if ids:
        await leases.lock_sources(session, ids)
        await end_jobs(session, [JobEnd(job_id=one, status=JobStatus.CANCELLED) for one in ids], now)
    return ids


@dataclass(frozen=True, kw_only=True, slots=True)
class NewJob:
    """A job about to be created; its parameters were validated as its kind wants them."""

    owner: str
    name: str
    kind: str
    source_file_ids: Sequence[UUID]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    """Among the owner's jobs; of an administrator's a positive one goes before everybody's."""
    by_administrator: bool = False
    lifetime: timedelta | None = None
    """How long the run is kept once it has ended; None leaves each product to its category."""
    pins: bool = True
    """Whether its sources stay while it waits, up to the service's limit."""

    @property
    def lifted(self) -> bool:
        """Whether its priority counts across owners."""
        return self.by_administrator and self.priority > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingLimits:
    """What waiting jobs may take."""

    pin: timedelta
    """How long each keeps its sources although they expire."""
    jobs_per_owner: int
    """How many of one owner may wait."""

    @classmethod
    def of(cls, worker: WorkerSettings) -> Self:
        """Return what the settings say."""
        return cls(pin=worker.pin_limit, jobs_per_owner=worker.max_waiting_per_owner)


@dataclass(frozen=True)
class ControlService:
    """Creates, cancels and retries jobs; `owner=None` is an administrator."""

    db: Database
    discards: DiscardService
    limits: WaitingLimits

    @retried
    async def create(self, asked: NewJob, *, now: datetime | None = None) -> AnalysisJob:
        """Create a job that waits for a worker.

        Raises:
            SourceUnusable: a source is not this owner's, not stored or has expired; nothing was created.
            TooManyJobs: as many of this owner wait as may; nothing was created.

        """
        job_id: UUID = uuid7()
        async with self.db.transaction() as session:
            at: datetime = (await session.execute(select(clock(now)))).scalar_one()
            await require_place(session, asked.owner, limit=self.limits.jobs_per_owner)
            await _require_usable(session, asked.owner, asked.source_file_ids, at)
            job = await add_job(
                session,
                asked.source_file_ids,
                id=job_id,
                owner=asked.owner,
                name=asked.name,
                kind=asked.kind,
                parameters=dict(asked.parameters),
                status=JobStatus.PENDING,
                priority=asked.priority,
                lifted=asked.lifted,
                folder_name=f"{at:%Y%m%d_%H%M%S}_{job_id}",
                created_at=at,
                pinned_until=at + self.limits.pin if asked.pins else None,
                lifetime_seconds=None if asked.lifetime is None else asked.lifetime.total_seconds(),
            )
            await self._let_wait(session, job)
            failpoint("job.creating")
        failpoint("job.created")
        return job

    @retried
    async def cancel(self, job_id: UUID, *, owner: str | None, now: datetime | None = None) -> AnalysisJob:
        """Stop a job that waits or runs; whoever runs it is told, and its writes are refused from now on.

        Cancelling again changes nothing.

        Raises:
            JobNotFound, JobGone, JobEnded: there is nothing to stop.

        """
        async with self.db.transaction() as session:
            job, at = await require_job(session, job_id, owner=owner, now=now, lock=True)
            if job.status is JobStatus.CANCELLED:
                return job
            if job.status.is_over:
                raise JobEnded(job_id, status=job.status)
            await stop_job(session, job, at)
            failpoint("job.cancelling")
        failpoint("job.cancelled")
        await self.discards.discard(job_id)
        return job

    async def cancel_waiting(self, wanted: JobFilter, *, now: datetime | None = None) -> int:
        """Stop all jobs that wait when this is asked and fit; return how many, which were none if asked again.

        They are cancelled in batches, each whole by itself: what breaks off in between left the rest waiting.
        """
        at = now or await self.db.now()
        cancelled, after = 0, UUID(int=0)
        while ids := await self._cancel_batch(wanted, after, at):
            await self.discards.discard_all(ids)
            cancelled, after = cancelled + len(ids), ids[-1]
        return cancelled

    @retried
    async def _cancel_batch(self, wanted: JobFilter, after: UUID, now: datetime) -> Sequence[UUID]:
        async with self.db.transaction() as session:
            ids = await cancel_batch(session, wanted, after=after, now=now)
            failpoint("jobs.cancelling")
        failpoint("jobs.cancelled")
        return ids

    @retried
    async def retry(self, job_id: UUID, *, owner: str | None, now: datetime | None = None) -> AnalysisJob:
        """Let a failed job wait again, with all its attempts before it.

        Raises:
            JobNotFound, JobGone, JobArchived, JobNotFailed: there is nothing to try again.
            SourceUnusable: a source is gone or has expired meanwhile.
            TooManyJobs: as many of its owner wait as may.

        """
        async with self.db.transaction() as session:
            job, at = await require_job(session, job_id, owner=owner, now=now, lock=True)
            if job.archived_at is not None:
                raise JobArchived(job_id)
            if job.status is not JobStatus.FAILED:
                raise JobNotFailed(job_id, status=job.status)
            await require_place(session, job.owner, limit=self.limits.jobs_per_owner)
            ids = await session.scalars(select(JobSource.file_id).where(JobSource.job_id == job_id))
            await _require_usable(session, job.owner, ids.all(), at)
            job.status, job.attempts, job.progress = JobStatus.PENDING, 0, 0.0
            job.error_code = job.error = job.completed_at = job.worker = None
            if job.lifetime_seconds is not None:
                job.expires_at = None  # it counts from the new end
            if job.pinned_until is not None:
                job.pinned_until = at + self.limits.pin
            await self._let_wait(session, job)
            failpoint("job.retrying")
        failpoint("job.retried")
        return job

    async def _let_wait(self, session: AsyncSession, job: AnalysisJob) -> None:
        if job.pinned_until is not None:
            await leases.lease_sources(session, [job.id], job.pinned_until)
        await session.flush()
        await add_event(session, job.id, "status", {"status": job.status})
        await take_place(session, job.owner, limit=self.limits.jobs_per_owner)


async def stop_job(session: AsyncSession, job: AnalysisJob, now: datetime) -> None:
    """Cancel a locked job that waits or runs, in the caller's transaction."""
    await leases.lock_sources(session, [job.id])
    await end_jobs(session, [JobEnd(job_id=job.id, status=JobStatus.CANCELLED)], now)
    await session.refresh(job)


async def _require_usable(session: AsyncSession, owner: str, ids: Sequence[UUID], now: datetime) -> None:
    usable = await session.scalars(_LOCK_USABLE, {"ids": list(ids), "owner": owner, "now": now})
    found = frozenset(usable)
    for file_id in ids:
        if file_id not in found:
            raise SourceUnusable(file_id, why="is not a stored file of this owner, or has expired")
