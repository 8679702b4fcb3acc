"""Jobs begun by their ids, whoever's turn it is."""

from datetime import datetime
from uuid import UUID

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.attempts.execution import Outcome
from media_analysis.jobs.models import JobStatus
from media_analysis.jobs.queries import get_job
from media_analysis.runtime import Runtime


async def claim_job(
    runtime: Runtime, job_id: UUID, *, worker: str = "test", now: datetime | None = None
) -> Attempt | None:
    """Begin the next attempt of a job that waits or runs, whoever runs it; None where there is nothing to run."""
    claims = runtime.jobs.claims
    async with runtime.db.transaction() as session:
        found = await get_job(session, job_id, owner=None, now=now, lock=True)
        if found is None or found[0].status not in {JobStatus.PENDING, JobStatus.RUNNING}:
            return None
        attempts = await claims.begin(session, [job_id], found[1], worker=worker, lease=claims.lease)
    return attempts[0] if attempts else None


async def run_job(runtime: Runtime, job_id: UUID) -> Outcome:
    """Run a job to the end of its next attempt, as a worker would."""
    attempt = await claim_job(runtime, job_id)
    before = None if attempt is None else attempt.fence
    await runtime.jobs.claims.discards.discard(job_id, before_fence=before)
    return None if attempt is None else await runtime.jobs.execution.run(attempt)
