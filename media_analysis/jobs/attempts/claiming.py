"""Claims: the jobs whose turn it is are begun under new fences, as many at once as somebody has room for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from media_analysis.db.database import Database, retried
from media_analysis.db.driver import Executes
from media_analysis.deletion.discarding import DiscardService
from media_analysis.failpoints import failpoint
from media_analysis.jobs.attempts import leases, publishing
from media_analysis.jobs.attempts.attempt import WORKER_LOST, Attempt, AttemptSource, Failure, find_sources
from media_analysis.jobs.attempts.ending import JobEnd, end_jobs
from media_analysis.jobs.attempts.turns import CHOOSE, CHOOSE_OF_OWNER
from media_analysis.jobs.events import TELL, WORK
from media_analysis.jobs.models import JobStatus
from media_analysis.jobs.waiting import lock_counts

SPARE: Final = 8
"""Jobs looked at beyond twice those wanted, for others may have locked some of them."""

# Planning the choice takes longer than choosing, and who waits makes no difference to the plan.
_BEGIN_CLAIM: Final = text("""
    SELECT coalesce(CAST(:now AS timestamptz), now()) AS at, set_config('plan_cache_mode', 'force_generic_plan', true)
""")
_BEGIN: Final = text(f"""
    WITH numbered AS (
        UPDATE analysis_jobs SET status = 'running', worker = :worker, leased_until = :until, begun_at = :now,
            started_at = coalesce(started_at, :now), fence = fence + 1, attempts = attempts + 1, progress = 0,
            stage = NULL, stage_done = NULL, stage_total = NULL, retry_at = NULL, warnings = '[]',
            last_event = last_event + 1
        WHERE id = ANY(CAST(:job_ids AS uuid[]))
        RETURNING id, owner, fence, attempts, last_event, 'job.started' AS type, jsonb_build_object(
            'status', 'running', 'attempt', attempts, 'worker', CAST(:worker AS text)
        ) AS data, {WORK}
    ), {TELL}
    SELECT id, fence, attempts FROM numbered WHERE (SELECT count(*) FROM announced) > 0
""")  # noqa: S608 - constants


_JOBS: Final = text("""
    SELECT id, owner, kind, parameters::text AS parameters, folder_name, status::text AS status, attempts, error,
        pinned_until, trace
    FROM analysis_jobs WHERE id = ANY(CAST(:job_ids AS uuid[]))
""")


class _Claimed(NamedTuple):
    attempts: Sequence[Attempt]
    failed: Sequence[UUID]
    looked: int
    due_in: timedelta | None


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What a claim began."""

    attempts: Sequence[Attempt]
    due_in: timedelta | None = None
    """Where nothing was begun: how long until the next job is due that waits; None where none does."""


@dataclass(frozen=True)
class ClaimService:
    """Begins jobs of all kinds; concurrent claims never get the same one."""

    db: Database
    discards: DiscardService
    lease: timedelta
    max_attempts: int

    async def claim(
        self,
        lines: Sequence[str],
        *,
        worker: str,
        limit: int = 1,
        owner: str | None = None,
        lease: timedelta | None = None,
        now: datetime | None = None,
    ) -> ClaimOutcome:
        """Begin up to `limit` jobs of these lines, those whose turn it is; what earlier attempts staged is discarded.

        Those whose workers died too often, or whose sources went, fail instead.

        Args:
            lines: Kinds, and what `line_of` says of external jobs.
            worker: Who claims.
            limit: How many at most.
            owner: Whose jobs; None is everybody's.
            lease: After how long without a sign of life another may take them over; else as long as sources are kept.
            now: The instant to decide by, else the database's own.

        """
        lines_each, look = limit, 2 * limit + SPARE
        while True:
            asked = {"kinds": list(lines), "limit": limit, "lines": lines_each, "look": look}
            claimed = await self._claim(asked, owner, worker, lease or self.lease, now)
            await self._discard(claimed)
            if claimed.attempts or not claimed.looked:
                return ClaimOutcome(claimed.attempts, claimed.due_in)
            if not claimed.failed:  # others have locked all that was looked at
                if claimed.looked < lines_each:
                    return ClaimOutcome((), timedelta())
                lines_each = look = 4 * look

    @retried
    async def _claim(
        self, asked: Mapping[str, Any], owner: str | None, worker: str, lease: timedelta, now: datetime | None
    ) -> _Claimed:
        async with self.db.direct_transaction() as connection:
            (begun,) = await connection.execute(_BEGIN_CLAIM, {"now": now})
            choose, whose = (CHOOSE, {}) if owner is None else (CHOOSE_OF_OWNER, {"owner": owner})
            (chosen,) = await connection.execute(choose, {**asked, **whose, "now": begun.at})
            attempts = (
                await self.begin(connection, chosen.ids, begun.at, worker=worker, lease=lease) if chosen.ids else []
            )
            failpoint("attempt.claiming")
        failpoint("attempt.claimed")
        are_begun = {attempt.job_id for attempt in attempts}
        failed = [one for one in chosen.ids if one not in are_begun]
        return _Claimed(attempts, failed, chosen.looked, chosen.due_in)

    async def begin(
        self, session: Executes, job_ids: Sequence[UUID], now: datetime, *, worker: str, lease: timedelta
    ) -> Sequence[Attempt]:
        """Begin locked jobs that wait, or whose workers are lost, and return those that did not fail instead."""
        jobs = list(await session.execute(_JOBS, {"job_ids": job_ids}))
        sources = await find_sources(session, jobs, now)
        failures = {job.id: failure for job in jobs if (failure := self._failure_of(job, sources[job.id]))}
        if failures:
            await leases.lock_sources(session, job_ids)
            failed = [JobEnd(job_id=one, status=JobStatus.FAILED, failure=failure) for one, failure in failures.items()]
            await end_jobs(session, failed, now)
        usable = {
            one: found for one, found in sources.items() if one not in failures and not isinstance(found, Failure)
        }
        if not usable:
            return []
        ids, by_id = list(usable), {job.id: job for job in jobs}
        until = now + lease
        rows = await session.execute(_BEGIN, {"job_ids": ids, "worker": worker, "now": now, "until": until})
        begun = {row.id: row for row in rows}
        kept_until = now + max(lease, self.lease)
        if unpinned := [one for one in ids if (by_id[one].pinned_until or now) < kept_until]:
            await leases.lease_sources(session, unpinned, kept_until)
        if again := [row.id for row in begun.values() if row.fence > 1]:
            await publishing.discard_results(session, again)
        await lock_counts(session, {by_id[one].owner for one in ids})
        return [_attempt_of(by_id[one], begun[one], usable[one], until, lease) for one in job_ids if one in usable]

    def _failure_of(self, job: Any, sources: Sequence[AttemptSource] | Failure) -> Failure | None:
        if job.attempts >= self.max_attempts:
            last = f"; the last error was: {job.error}" if job.error else ""
            return Failure(code=WORKER_LOST, detail=f"given up after {job.attempts} attempts whose workers died{last}")
        return sources if isinstance(sources, Failure) else None

    async def _discard(self, claimed: _Claimed) -> None:
        if claimed.failed:
            await self.discards.discard_all(claimed.failed)
        for attempt in claimed.attempts:
            if attempt.fence > 1:
                await self.discards.discard(attempt.job_id, before_fence=attempt.fence)


def _attempt_of(job: Any, begun: Any, sources: Sequence[AttemptSource], until: datetime, lease: timedelta) -> Attempt:
    return Attempt(
        job_id=job.id,
        owner=job.owner,
        kind=job.kind,
        parameters=json.loads(job.parameters),
        folder_name=job.folder_name,
        fence=begun.fence,
        attempt=begun.attempts,
        lease=lease,
        leased_until=until,
        sources=sources,
        trace=job.trace,
    )
