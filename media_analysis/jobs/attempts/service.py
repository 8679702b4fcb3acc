"""Runs under way: kept, told of and ended; every write is fenced (promise 21)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database, retried
from media_analysis.db.group import GroupCommit
from media_analysis.errors import FenceLost
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.files.upload.transactions import STAGED_SECONDS
from media_analysis.jobs.attempts import leases
from media_analysis.jobs.attempts.attempt import Failure, NewResult
from media_analysis.jobs.attempts.ending import AttemptEnd, EndedAttempt, end_attempts, hand_back_job
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import get_job

FEW: Final = 100
"""Products of one attempt that others may wait for: longer ones than this would have the leases of those end."""
GROUP: Final = 64


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
            await add_event(session, job_id, EventType.JOB_PROGRESS, told)

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
            await add_event(session, job_id, EventType.JOB_WARNING, {"code": code, "detail": detail})

    async def complete(
        self, job_id: UUID, *, fence: int, results: Sequence[NewResult] = (), products: int | None = None
    ) -> EndedAttempt:
        """End a run well: its staged products are stored and its results published in one transaction, or none are.

        `products` says how many it staged, where that is known: with few it need not have a transaction of its own.

        Raises:
            FenceLost: the run is over; nothing of it shows.

        """
        end = AttemptEnd(job_id=job_id, fence=fence, results=results)
        return await self._end(end, shared=products is not None and products <= FEW)

    async def fail(self, job_id: UUID, *, fence: int, failure: Failure) -> EndedAttempt:
        """End a run, and its job with it, for good.

        Raises:
            FenceLost: the run is over.

        """
        return await self._end(AttemptEnd(job_id=job_id, fence=fence, failure=failure), shared=True)

    async def _end(self, end: AttemptEnd, *, shared: bool) -> EndedAttempt:
        # Whoever is cancelled meanwhile hears of it once the run is over or is not: the group goes on without it.
        ended = await carry_through(self._group.submit(end)) if shared else None
        if ended is not None:
            return ended
        (alone,) = await self._end_all([end], wait=True)
        if isinstance(alone, EndedAttempt):
            return alone
        raise alone

    @cached_property
    def _group(self) -> GroupCommit[AttemptEnd, EndedAttempt | None]:
        return GroupCommit(self._end_group, most=GROUP)

    async def _end_group(self, ends: Sequence[AttemptEnd]) -> Sequence[EndedAttempt | None]:
        """End those that can be; None where that is to be tried alone: others have the job locked, or took it."""
        ended = await self._end_all(ends, wait=False)
        return [None if isinstance(one, FenceLost) else one for one in ended]

    @retried
    async def _end_all(self, ends: Sequence[AttemptEnd], *, wait: bool) -> Sequence[EndedAttempt | FenceLost]:
        async with self.db.direct_transaction() as connection:
            ended = await end_attempts(connection, ends, wait=wait)
            failpoint("attempt.ending")
        failpoint("attempt.ended")
        return ended

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
