"""How jobs end, whichever way, and how their results come in: parts of others' transactions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.driver import Executes
from media_analysis.errors import FenceLost
from media_analysis.events.types import EventType
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.jobs.attempts import leases, publishing
from media_analysis.jobs.attempts.attempt import Failure, NewResult
from media_analysis.jobs.attempts.publishing import RunResult
from media_analysis.jobs.events import TELL, WORK, add_event
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.storage.category import Category

_END: Final = text(f"""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:job_ids AS uuid[]), CAST(:statuses AS job_status[]), CAST(:codes AS text[]), CAST(:errors AS text[]),
            CAST(:produced AS text[]), CAST(:data AS text[])
        ) AS asked(job_id, ends_as, code, detail, made, data)
    ), numbered AS (
        UPDATE analysis_jobs SET status = ends_as, completed_at = CAST(:now AS timestamptz), leased_until = NULL,
            retry_at = NULL, progress = CASE WHEN ends_as = 'completed' THEN 1 ELSE progress END,
            fence = fence + (ends_as <> 'completed')::int, error_code = code, error = detail,
            produced = coalesce(CAST(made AS jsonb), produced), last_event = last_event + 1,
            expires_at = coalesce(expires_at, CAST(:now AS timestamptz) + make_interval(secs => lifetime_seconds))
        FROM asked WHERE id = job_id
        RETURNING id, owner, last_event, 'job.' || status AS type, CAST(asked.data AS jsonb) AS data, {WORK}
    ), {TELL}
    SELECT count(*) FROM announced
""")  # noqa: S608 - constants

_LOCKING: Final = """
    SELECT id, owner, fence, status::text, now() AS at FROM analysis_jobs
    WHERE id = ANY(CAST(:job_ids AS uuid[])) AND deleted_at IS NULL ORDER BY id FOR UPDATE
"""
_LOCK: Final = text(_LOCKING)
_LOCK_FREE: Final = text(f"{_LOCKING} SKIP LOCKED")
# Products and sources together: who locks them in two steps would wait in a circle.
_LOCK_FILES: Final = text("""
    WITH locked AS MATERIALIZED (
        SELECT job_id, state = 'pending' AND role IS NOT NULL AS is_staged FROM media_files WHERE id = ANY(ARRAY(
            SELECT id FROM media_files WHERE job_id = ANY(CAST(:job_ids AS uuid[]))
            UNION SELECT file_id FROM job_sources WHERE job_id = ANY(CAST(:job_ids AS uuid[]))
        )) ORDER BY id FOR UPDATE
    ), staged AS (
        SELECT job_id, count(*) AS files FROM locked WHERE is_staged GROUP BY job_id
    )
    SELECT ending.id, coalesce(files, 0) AS staged,
        EXISTS (SELECT FROM analysis_results WHERE job_id = ending.id AND NOT published) AS has_results
    FROM unnest(CAST(:job_ids AS uuid[])) AS ending(id) LEFT JOIN staged ON staged.job_id = ending.id
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptEnd:
    """How an attempt ends: with results, or with a failure."""

    job_id: UUID
    fence: int
    results: Sequence[NewResult] = ()
    failure: Failure | None = None


class EndedAttempt(NamedTuple):
    """What came of an attempt."""

    stored: Mapping[Category, Movement]
    has_leftovers: bool
    """Whether staged files are left that nobody will store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnd:
    """The last status of a job for now, and why it failed."""

    job_id: UUID
    status: JobStatus
    failure: Failure | None = None
    produced: Mapping[str, Mapping[str, int]] | None = None
    """Files and bytes by category; None leaves what is known of that."""
    told: Mapping[str, Any] | None = None
    """What its event says besides."""

    @property
    def event(self) -> str:
        error = None if self.failure is None else self.failure.document()
        return json.dumps({"status": self.status, "error": error, **(self.told or {})})


async def end_jobs(session: Executes, ends: Sequence[JobEnd], now: datetime) -> None:
    """Give locked jobs, whose sources are locked too, their last status.

    Their sources are let go, and what an unfinished run staged is nobody's.
    """
    job_ids = [end.job_id for end in ends]
    asked = {
        "job_ids": job_ids,
        "statuses": [end.status.value for end in ends],
        "codes": [end.failure and end.failure.code for end in ends],
        "errors": [end.failure and end.failure.detail for end in ends],
        "produced": [None if end.produced is None else json.dumps(end.produced) for end in ends],
        "data": [end.event for end in ends],
    }
    await session.execute(_END, {**asked, "now": now})
    await leases.release_sources(session, job_ids)
    if unfinished := [end.job_id for end in ends if end.status is not JobStatus.COMPLETED]:
        await publishing.discard_results(session, unfinished)


async def end_attempts(
    session: Executes, ends: Sequence[AttemptEnd], *, wait: bool
) -> Sequence[EndedAttempt | FenceLost]:
    """End attempts, each under its fence: products are stored and results published of those that did not fail.

    Unless others are waited for, jobs that they have locked seem to be lost.
    """
    asked = {"job_ids": [end.job_id for end in ends]}
    found = {row.id: row for row in await session.execute(_LOCK if wait else _LOCK_FREE, asked)}
    held = {end.job_id: end for end in reversed(ends) if _is_held(found.get(end.job_id), end.fence)}
    ended = await _end_held(session, held, found) if held else {}
    return [ended[end.job_id] if held.get(end.job_id) is end else FenceLost(end.job_id) for end in ends]


def _is_held(job: Any, fence: int) -> bool:
    return job is not None and job.status == JobStatus.RUNNING and job.fence == fence


async def _end_held(
    session: Executes, held: Mapping[UUID, AttemptEnd], jobs: Mapping[UUID, Any]
) -> Mapping[UUID, EndedAttempt]:
    rows = {row.id: row for row in await session.execute(_LOCK_FILES, {"job_ids": list(held)})}
    sums: dict[UUID, Mapping[Account, Movement]] = {
        job_id: await publishing.settle_products(session, job_id, fence=end.fence)
        for job_id, end in held.items()
        if rows[job_id].staged and end.failure is None
    }
    # A job has one owner.
    stored = {job_id: {kind: moved for (_, kind), moved in sums.get(job_id, {}).items()} for job_id in held}
    now: datetime = next(iter(jobs.values())).at
    await end_jobs(session, [_end_of(end, stored[job_id]) for job_id, end in held.items()], now)
    completed = {job_id: end for job_id, end in held.items() if end.failure is None}
    results = [
        RunResult(jobs[job_id].owner, job_id, end.fence, result)
        for job_id, end in completed.items()
        for result in end.results
    ]
    if results:
        await publishing.add_results(session, results)
    if shown := {job_id: end.fence for job_id, end in completed.items() if end.results or rows[job_id].has_results}:
        await publishing.publish_results(session, shown)
    await ledger.move(session, (moved for one in sums.values() for moved in one.items()))
    return {
        job_id: EndedAttempt(moved, rows[job_id].staged > sum(one.files for one in moved.values()))
        for job_id, moved in stored.items()
    }


def _end_of(end: AttemptEnd, stored: Mapping[Category, Movement]) -> JobEnd:
    if end.failure is not None:
        return JobEnd(job_id=end.job_id, status=JobStatus.FAILED, failure=end.failure)
    return JobEnd(
        job_id=end.job_id,
        status=JobStatus.COMPLETED,
        produced={kind.value: {"files": moved.files, "size_bytes": moved.size_bytes} for kind, moved in stored.items()},
        told={"files": sum(moved.files for moved in stored.values())},
    )


async def hand_back_job(
    session: AsyncSession, job: AnalysisJob, now: datetime, *, failure: Failure | None, delay: timedelta
) -> None:
    """Let a locked job whose run is over wait for another; without a failure the attempt does not count."""
    job.status, job.worker, job.leased_until = JobStatus.PENDING, None, None
    job.fence += 1
    job.retry_at = now + delay
    job.progress = 0.0
    if failure is None:
        job.attempts -= 1
    else:
        job.error_code, job.error = failure.code, failure.detail
    await session.flush()
    await leases.lock_sources(session, [job.id])
    await leases.release_sources(session, [job.id])
    if job.pinned_until is not None:
        await leases.lease_sources(session, [job.id], job.pinned_until)
    await publishing.discard_results(session, [job.id])
    told = {"status": job.status, "retry_at": job.retry_at.isoformat(), "error": failure and failure.document()}
    await add_event(session, job.id, EventType.JOB_WAITING, told)


def row_of(owner: str, job_id: UUID, fence: int, result: NewResult) -> dict[str, Any]:
    """Return the row of a result of a job's run, hidden as yet."""
    return {
        "id": uuid7(),
        "owner": owner,
        "job_id": job_id,
        "job_fence": fence,
        "published": False,
        "media_file_id": result.file_id,
        "kind": result.kind,
        "data": dict(result.data),
        "category": result.category,
    }
