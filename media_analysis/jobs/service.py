"""Reading jobs, as their owner sees them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.db.ids import find_ids
from media_analysis.files.service import relabelled
from media_analysis.jobs import queries
from media_analysis.jobs.labelled import lists_of_jobs
from media_analysis.jobs.models import AnalysisJob, JobAudit
from media_analysis.jobs.queries import JobFilter
from media_analysis.jobs.waiting import KindBacklog, count_open, list_waiting
from media_analysis.labels import Relabel


@dataclass(frozen=True, slots=True)
class JobView:
    """A job, its sources in order, and the instant it was looked at, by which its hold stands or has ended."""

    job: AnalysisJob
    sources: Sequence[UUID]
    at: datetime


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and where the next page begins."""

    views: Sequence[JobView]
    next_before: UUID | None


@dataclass(frozen=True)
class JobService:
    """What an owner may see of a job; `owner=None` is an administrator's view of all."""

    db: Database

    async def get(
        self, job_id: UUID, *, owner: str | None, now: datetime | None = None
    ) -> tuple[AnalysisJob, datetime]:
        """Return a job and the instant it was looked at.

        Raises:
            JobNotFound: unknown, or somebody else's.
            JobGone: deleted.

        """

        async def read() -> tuple[AnalysisJob, datetime]:
            async with self.db.read_only() as session:
                return await queries.require_job(session, job_id, owner=owner, now=now)

        return await self.db.retry(read)

    async def view(self, job_id: UUID, *, owner: str | None, now: datetime | None = None) -> JobView:
        """Return a job with its sources.

        Raises:
            JobNotFound, JobGone: as `get` does.

        """

        async def read() -> JobView:
            async with self.db.read_only() as session:
                job, at = await queries.require_job(session, job_id, owner=owner, now=now)
                sources = await queries.list_sources(session, [job_id])
                return JobView(job, sources.get(job_id, ()), at)

        return await self.db.retry(read)

    @retried
    async def relabel(self, job_id: UUID, relabel: Relabel, *, owner: str | None, actor: str) -> AnalysisJob:
        """Give a job other labels; products that are stored already keep theirs.

        Raises:
            JobNotFound, JobGone: there is nothing to label.
            InvalidRequest: it would have more labels than a job may have.

        """
        async with self.db.transaction() as session:
            job, _ = await queries.require_job(session, job_id, owner=owner, lock=True)
            before = job.labels or {}
            labels = relabelled(before, relabel)
            if labels != before:
                job.labels = dict(labels) or None
                await session.flush()
                details = {"labels": dict(labels), "before": dict(before)}
                act = Act(actor=actor, action=Action.LABELLED, owner=job.owner, job_id=job_id, details=details)
                await add_events(session, [act])
        return job

    async def find(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of jobs, there or deleted, that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            there = await find_ids(session, AnalysisJob.id, digits, limit=limit)
            deleted = await find_ids(session, JobAudit.job_id, digits, limit=limit)
        return list(dict.fromkeys([*there, *deleted]))[:limit]

    async def count_open(self) -> Mapping[str, int]:
        """Return how many jobs are pending and how many run, of all owners."""
        async with self.db.read_only() as session:
            return await count_open(session)

    async def list_waiting(self) -> Sequence[KindBacklog]:
        """Return what waits for a worker, of all owners, by kind."""
        async with self.db.read_only() as session:
            return await list_waiting(session)

    async def list(self, wanted: JobFilter, *, before: UUID | None, limit: int, now: datetime | None = None) -> JobPage:
        """Return one page of jobs that were not deleted, newest first, in two statements whatever its length.

        Where several labels are asked for, a third finds the one that fewest have.
        """
        lists = lists_of_jobs(wanted.owner)

        async def read() -> JobPage:
            labels = await lists.rarest_first(self.db.driver.reads, wanted.labels)
            async with self.db.read_only() as session:
                query = queries.select_jobs(replace(wanted, labels=labels), before=before, limit=limit + 1, now=now)
                found = (await session.execute(query)).all()
                page = found[:limit]
                sources = await queries.list_sources(session, [job.id for job, _ in page])
            views = [JobView(job, sources.get(job.id, ()), at) for job, at in page]
            return JobPage(views, views[-1].job.id if len(found) > limit else None)

        return await self.db.retry(read)
