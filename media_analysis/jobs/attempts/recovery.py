"""Jobs that nobody can finish any more: looked for now and then, and given back or failed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.deletion.discarding import DiscardService
from media_analysis.jobs.attempts import leases
from media_analysis.jobs.attempts.attempt import WORKER_LOST, Failure, find_sources
from media_analysis.jobs.attempts.ending import JobEnd, end_jobs, hand_back_job
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import get_job

BATCH: Final = 1000

# What workers of ours lost, the next one takes over as it is.
_SILENT = text("""
    SELECT id FROM analysis_jobs
    WHERE status = 'running' AND kind = 'external' AND leased_until <= coalesce(CAST(:now AS timestamptz), now())
        AND deleted_at IS NULL
    ORDER BY id LIMIT :limit
""")
_SOURCELESS = text("""
    WITH looked AS MATERIALIZED (
        SELECT id, coalesce(pinned_until <= coalesce(CAST(:now AS timestamptz), now()), true) AS unpinned
        FROM analysis_jobs WHERE status = 'pending' AND deleted_at IS NULL AND id > :after ORDER BY id LIMIT :look
    )
    SELECT (SELECT id FROM looked ORDER BY id OFFSET :look - 1) AS last, ARRAY(
        SELECT DISTINCT job.id
        FROM looked AS job JOIN job_sources AS source ON source.job_id = job.id
        LEFT JOIN media_files AS file ON file.id = source.file_id
        WHERE file.state IS DISTINCT FROM 'stored'
            OR (job.unpinned AND file.expires_at <= coalesce(CAST(:now AS timestamptz), now()))
        ORDER BY job.id LIMIT :limit
    ) AS ids
""")
Change = Callable[[AsyncSession, AnalysisJob, datetime], Awaitable[bool]]
_FIRST: Final = UUID(int=0)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many jobs were helped on."""

    silent: int
    """Held by an analyser elsewhere that fell silent: they wait again, or failed if that happened too often."""
    sourceless: int
    """Waiting for sources that were deleted or expired: they failed."""


@dataclass
class Round:
    """How far this process has looked through the jobs that wait."""

    after: UUID = _FIRST


@dataclass(frozen=True)
class RecoveryService:
    """Ends or revives jobs that nobody would otherwise look at again; two at once do no harm."""

    db: Database
    discards: DiscardService
    max_attempts: int
    look: int = 10_000
    """At the sources of how many jobs that wait one call looks; the next one goes on from there."""
    round: Round = field(default_factory=Round, init=False)

    async def run(self, *, now: datetime | None = None) -> Recovered:
        """Help every job on that is stuck."""
        recovered = Recovered(
            silent=await self._each(await self._list_silent(now), self._take_from_silent, now),
            sourceless=await self._each(await self._list_sourceless(now), _fail_sourceless, now),
        )
        if recovered != Recovered(0, 0):
            log.info("jobs.recovered", silent=recovered.silent, sourceless=recovered.sourceless)
        return recovered

    async def _list_silent(self, now: datetime | None) -> Sequence[UUID]:
        async with self.db.read_only() as session:
            return (await session.scalars(_SILENT, {"now": now, "limit": BATCH})).all()

    async def _list_sourceless(self, now: datetime | None) -> Sequence[UUID]:
        asked = {"now": now, "after": self.round.after, "look": self.look, "limit": BATCH}
        async with self.db.read_only() as session:
            last, ids = (await session.execute(_SOURCELESS, asked)).one()
        found: Sequence[UUID] = ids
        self.round.after = found[-1] if len(found) == BATCH else last or _FIRST
        return found

    async def _each(self, ids: Sequence[UUID], change: Change, now: datetime | None) -> int:
        changed = 0
        for job_id in ids:
            if await self._change(job_id, change, now):
                changed += 1
                await self.discards.discard(job_id)
        return changed

    @retried
    async def _change(self, job_id: UUID, change: Change, now: datetime | None) -> bool:
        async with self.db.transaction() as session:
            found = await get_job(session, job_id, owner=None, now=now, lock=True)
            return found is not None and await change(session, *found)

    async def _take_from_silent(self, session: AsyncSession, job: AnalysisJob, now: datetime) -> bool:
        if job.status is not JobStatus.RUNNING or job.leased_until is None or job.leased_until > now:
            return False
        lost = Failure(code=WORKER_LOST, detail=f"nothing was heard of {job.worker} since its lease ended")
        if job.attempts >= self.max_attempts:
            await leases.lock_sources(session, [job.id])
            await end_jobs(session, [JobEnd(job_id=job.id, status=JobStatus.FAILED, failure=lost)], now)
        else:
            await hand_back_job(session, job, now, failure=lost, delay=timedelta())
        return True


async def _fail_sourceless(session: AsyncSession, job: AnalysisJob, now: datetime) -> bool:
    if job.status is not JobStatus.PENDING:
        return False
    failure = (await find_sources(session, [job], now))[job.id]
    if not isinstance(failure, Failure):
        return False
    await leases.lock_sources(session, [job.id])
    await end_jobs(session, [JobEnd(job_id=job.id, status=JobStatus.FAILED, failure=failure)], now)
    return True
