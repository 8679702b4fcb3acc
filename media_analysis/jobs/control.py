"""What an owner tells a job: to begin, to stop, to try again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Self
from uuid import UUID

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis import tracing
from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database, clock, retried
from media_analysis.db.group import GroupCommit
from media_analysis.deletion.discarding import DiscardService
from media_analysis.errors import JobArchived, JobEnded, JobNotFailed, MediaAnalysisError, SourceUnusable, TooManyJobs
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.jobs.adding import add_waiting_jobs
from media_analysis.jobs.attempts import leases
from media_analysis.jobs.attempts.ending import JobEnd, end_jobs
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobSource, JobStatus
from media_analysis.jobs.queries import JobFilter, require_job
from media_analysis.jobs.usable import lock_usable, require_usable
from media_analysis.jobs.waiting import count_waiting, take_places
from media_analysis.settings.worker import WorkerSettings
from media_analysis.storage.category import Category

BATCH: Final = 1000
# As the index has it, which a parameter would hide from the planner.
_WAITING: Final[ColumnElement[bool]] = text("status = 'pending'")  # type: ignore[assignment]


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
    labels: Mapping[str, str] | None = None
    pins: bool = True
    """Whether its sources stay while it waits, up to the service's limit."""
    id: UUID | None = None
    """Given by whoever must be able to ask again without making a second one."""
    trace: str | None = field(default_factory=tracing.place)
    """Where in which trace it is asked for (W3C `traceparent`)."""

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

    async def create(self, asked: NewJob, *, now: datetime | None = None) -> AnalysisJob:
        """Create a job that waits for a worker.

        Raises:
            SourceUnusable: a source is not this owner's, not stored or has expired; nothing was created.
            TooManyJobs: as many of this owner wait as may; nothing was created.

        """
        # Whoever is cancelled meanwhile hears of it once the job is there or is not: the group goes on without it.
        made = await carry_through(self._group.submit(asked)) if now is None else None
        if made is not None:
            return made
        (alone,) = await self._create_all([asked], now=now, wait=True)
        if isinstance(alone, AnalysisJob):
            return alone
        raise alone

    async def create_all(self, asked: Sequence[NewJob]) -> Sequence[AnalysisJob | MediaAnalysisError]:
        """Create jobs in one transaction; of each return it, or why there is none.

        Raises:
            TooManyJobs: others took the last places of an owner meanwhile; nothing was created.

        """
        return await self._create_all(asked, wait=True)

    @cached_property
    def _group(self) -> GroupCommit[NewJob, AnalysisJob | None]:
        return GroupCommit(self._create_group)

    async def _create_group(self, asked: Sequence[NewJob]) -> Sequence[AnalysisJob | Exception | None]:
        """Create what can be; None where that is to be tried alone: others have a source locked, or took a place."""
        try:
            made = await self._create_all(asked, wait=False)
        except TooManyJobs:
            return [None] * len(asked)
        return [None if isinstance(one, SourceUnusable) else one for one in made]

    @retried
    async def _create_all(
        self, asked: Sequence[NewJob], *, now: datetime | None = None, wait: bool
    ) -> Sequence[AnalysisJob | MediaAnalysisError]:
        async with self.db.transaction() as session:
            at: datetime = (await session.execute(select(clock(now)))).scalar_one()
            waiting = dict(await count_waiting(session, {one.owner for one in asked}))
            wanted = [(one, job.owner) for job in asked for one in job.source_file_ids]
            usable = await lock_usable(session, wanted, at, wait=wait)
            answers = [self._judge(one, waiting, usable, at) for one in asked]
            made = {
                answer: one.source_file_ids
                for one, answer in zip(asked, answers, strict=True)
                if isinstance(answer, AnalysisJob)
            }
            if made:
                await add_waiting_jobs(session, made, at, pinned_until=at + self.limits.pin)
                await take_places(session, {job.owner for job in made}, limit=self.limits.jobs_per_owner)
            failpoint("job.creating")
        failpoint("job.created")
        return answers

    def _judge(
        self, asked: NewJob, waiting: dict[str, int], usable: Mapping[UUID, str], now: datetime
    ) -> AnalysisJob | MediaAnalysisError:
        """Return the job, which waits then, or why there may be none."""
        try:
            _require_place(asked.owner, waiting[asked.owner], limit=self.limits.jobs_per_owner)
            require_usable(asked.owner, asked.source_file_ids, usable)
        except MediaAnalysisError as error:
            return error
        waiting[asked.owner] += 1
        job_id: UUID = asked.id or uuid7()
        return AnalysisJob(
            id=job_id,
            owner=asked.owner,
            name=asked.name,
            kind=asked.kind,
            parameters=dict(asked.parameters),
            labels=dict(asked.labels) if asked.labels else None,
            status=JobStatus.PENDING,
            progress=0.0,
            priority=asked.priority,
            lifted=asked.lifted,
            attempts=0,
            fence=0,
            warnings=[],
            produced={},
            last_event=1,
            folder_name=f"{now:%Y%m%d_%H%M%S}_{job_id}",
            category=Category.OUTPUTS,
            created_at=now,
            pinned_until=now + self.limits.pin if asked.pins else None,
            lifetime_seconds=None if asked.lifetime is None else asked.lifetime.total_seconds(),
            trace=asked.trace,
        )

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
            waiting = await count_waiting(session, [job.owner])
            _require_place(job.owner, waiting[job.owner], limit=self.limits.jobs_per_owner)
            ids = (await session.scalars(select(JobSource.file_id).where(JobSource.job_id == job_id))).all()
            wanted = [(one, job.owner) for one in ids]
            require_usable(job.owner, ids, await lock_usable(session, wanted, at, wait=True))
            job.status, job.attempts, job.progress = JobStatus.PENDING, 0, 0.0
            job.error_code = job.error = job.completed_at = job.worker = None
            if job.lifetime_seconds is not None:
                job.expires_at = None  # it counts from the new end
            if job.pinned_until is not None:
                job.pinned_until = at + self.limits.pin
                await leases.lease_sources(session, [job.id], job.pinned_until)
            await session.flush()
            await add_event(session, job.id, EventType.JOB_WAITING, {"status": job.status})
            await take_places(session, [job.owner], limit=self.limits.jobs_per_owner)
            failpoint("job.retrying")
        failpoint("job.retried")
        return job


async def stop_job(session: AsyncSession, job: AnalysisJob, now: datetime) -> None:
    """Cancel a locked job that waits or runs, in the caller's transaction."""
    await leases.lock_sources(session, [job.id])
    await end_jobs(session, [JobEnd(job_id=job.id, status=JobStatus.CANCELLED)], now)
    await session.refresh(job)


def _require_place(owner: str, waiting: int, *, limit: int) -> None:
    if waiting >= limit:
        raise TooManyJobs(owner, waiting=waiting, limit=limit)
