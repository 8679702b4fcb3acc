"""Reading single jobs; every statement carries the owner it is allowed to look for."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import clock
from media_analysis.jobs.models import AnalysisJob


async def get_job(
    session: AsyncSession, job_id: UUID, *, owner: str | None, now: datetime | None = None, lock: bool = False
) -> tuple[AnalysisJob, datetime] | None:
    """Return a job that was not deleted, and the instant it was looked at.

    A lock keeps uploads from registering into the job, and waits for those that just do (their foreign key).
    """
    query = select(AnalysisJob, clock(now)).where(AnalysisJob.id == job_id, AnalysisJob.deleted_at.is_(None))
    if owner is not None:
        query = query.where(AnalysisJob.owner == owner)
    if lock:
        query = query.with_for_update(of=AnalysisJob)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])
