"""How a job ends, whichever way, and how its results come in: parts of others' transactions."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.jobs.adding import add_result_rows
from media_analysis.jobs.attempts import leases, publishing
from media_analysis.jobs.attempts.attempt import Failure, NewResult
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobStatus


async def end_job(
    session: AsyncSession,
    job: AnalysisJob,
    status: JobStatus,
    now: datetime,
    *,
    failure: Failure | None = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Give a locked job its last status; its sources are let go, and what an unfinished run staged is nobody's."""
    job.status, job.completed_at, job.leased_until, job.retry_at = status, now, None, None
    if status is JobStatus.COMPLETED:
        job.progress = 1.0
    else:
        job.fence += 1
    job.error_code, job.error = (None, None) if failure is None else (failure.code, failure.detail)
    if job.expires_at is None and job.lifetime_seconds is not None:
        job.expires_at = now + timedelta(seconds=job.lifetime_seconds)
    await session.flush()
    await leases.release_sources(session, [job.id])
    if status is not JobStatus.COMPLETED:
        await publishing.discard_results(session, [job.id])
    await add_event(
        session, job.id, "status", {"status": status, "error": failure and failure.document(), **(told or {})}
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
    await leases.release_sources(session, [job.id])
    if job.pinned_until is not None:
        await leases.lease_sources(session, [job.id], job.pinned_until)
    await publishing.discard_results(session, [job.id])
    told = {"status": job.status, "retry_at": job.retry_at.isoformat(), "error": failure and failure.document()}
    await add_event(session, job.id, "status", told)


async def add_results(session: AsyncSession, job: AnalysisJob, results: Sequence[NewResult]) -> None:
    """Add results of a locked job's run, hidden until it completes."""
    await add_result_rows(session, [row_of(job, result) for result in results])


def row_of(job: AnalysisJob, result: NewResult) -> dict[str, Any]:
    """Return the row of a result of a job's run, hidden as yet."""
    return {
        "id": uuid7(),
        "owner": job.owner,
        "job_id": job.id,
        "job_fence": job.fence,
        "published": False,
        "media_file_id": result.file_id,
        "kind": result.kind,
        "data": dict(result.data),
        "category": result.category,
    }
