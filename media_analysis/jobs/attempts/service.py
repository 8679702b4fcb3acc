"""Runs under way: kept, told of and ended; every write is fenced (promise 21)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.errors import FenceLost
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.ledger import Movement
from media_analysis.files.upload.transactions import STAGED_SECONDS
from media_analysis.jobs.attempts import leases, publishing
from media_analysis.jobs.attempts.attempt import Failure, NewResult
from media_analysis.jobs.attempts.ending import add_results, end_job, hand_back_job
from media_analysis.jobs.deletion import lock_files
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import get_job
from media_analysis.storage.category import Category


@dataclass(frozen=True)
class AttemptService:
    """Keeps and ends runs; each step is one transaction that shows with its event."""

    db: Database
    lease: timedelta
    max_attempts: int

    @retried
    async def renew(
        self, job_id: UUID, *, fence: int, lease: timedelta | None = None, now: datetime | None = None
    ) -> datetime:
        """Keep a run, its sources and its products for another lease, its own if it has one; return when that ends.

        Raises:
            FenceLost: the run is over.

        """
        async with self.db.transaction() as session:
            job, at = await require_attempt(session, job_id, fence, now)
            job.leased_until = at + (lease or self.lease)
            await session.flush()
            await leases.lease_sources(session, [job_id], max(job.leased_until, at + self.lease))
            await leases.renew_products(session, job_id, fence=fence, seconds=STAGED_SECONDS)
            return job.leased_until

    @retried
    async def tell_progress(
        self, job_id: UUID, *, fence: int, share: float, stage: str, done: int | None = None, total: int | None = None
    ) -> None:
        """Write how far a run is.

        Raises:
            FenceLost: the run is over.

        """
        async with self.db.transaction() as session:
            job, _ = await require_attempt(session, job_id, fence)
            job.progress, job.stage, job.stage_done, job.stage_total = share, stage, done, total
            await session.flush()
            told = {"progress": share, "stage": stage, "done": done, "total": total}
            await add_event(session, job_id, "progress", told)

    @retried
    async def warn(self, job_id: UUID, *, fence: int, code: str, detail: str) -> None:
        """Note what a reader of the outcome should know.

        Raises:
            FenceLost: the run is over.

        """
        async with self.db.transaction() as session:
            job, _ = await require_attempt(session, job_id, fence)
            job.warnings = [*job.warnings, {"code": code, "detail": detail}]
            await session.flush()
            await add_event(session, job_id, "warning", {"code": code, "detail": detail})

    @retried
    async def complete(
        self, job_id: UUID, *, fence: int, results: Sequence[NewResult] = (), now: datetime | None = None
    ) -> dict[Category, Movement]:
        """End a run well: its staged products are stored and its results published in one transaction, or none are.

        Raises:
            FenceLost: the run is over; nothing of it shows.

        """
        async with self.db.transaction() as session:
            job, at = await require_attempt(session, job_id, fence, now)
            await lock_files(session, job_id)
            sums = await publishing.settle_products(session, job_id, fence=fence)
            stored = {account.category: moved for account, moved in sums.items()}  # a job has one owner
            job.produced = {
                kind.value: {"files": moved.files, "size_bytes": moved.size_bytes} for kind, moved in stored.items()
            }
            files = sum(moved.files for moved in stored.values())
            await end_job(session, job, JobStatus.COMPLETED, at, told={"files": files})
            await add_results(session, job, results)
            await publishing.publish_results(session, job_id, fence=fence)
            await ledger.move(session, sums.items())
            failpoint("attempt.completing")
        failpoint("attempt.completed")
        return stored

    @retried
    async def fail(self, job_id: UUID, *, fence: int, failure: Failure, now: datetime | None = None) -> None:
        """End a run, and its job with it, for good.

        Raises:
            FenceLost: the run is over.

        """
        async with self.db.transaction() as session:
            job, at = await require_attempt(session, job_id, fence, now)
            await end_job(session, job, JobStatus.FAILED, at, failure=failure)
            failpoint("attempt.failing")
        failpoint("attempt.failed")

    @retried
    async def hand_back(
        self, job_id: UUID, *, fence: int, failure: Failure | None, delay: timedelta, now: datetime | None = None
    ) -> None:
        """End a run so that another may follow after `delay`; without a failure the attempt does not count.

        Raises:
            FenceLost: the run is over.

        """
        async with self.db.transaction() as session:
            job, at = await require_attempt(session, job_id, fence, now)
            await hand_back_job(session, job, at, failure=failure, delay=delay)
            failpoint("attempt.handing_back")
        failpoint("attempt.handed_back")


async def require_attempt(
    session: AsyncSession, job_id: UUID, fence: int, now: datetime | None = None
) -> tuple[AnalysisJob, datetime]:
    """Lock the job of a run and return it with the instant it was looked at.

    Raises:
        FenceLost: the run is over.

    """
    found = await get_job(session, job_id, owner=None, now=now, lock=True)
    if found is None or found[0].fence != fence or found[0].status is not JobStatus.RUNNING:
        raise FenceLost(job_id)
    return found
