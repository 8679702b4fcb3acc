"""Rows of new jobs."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.jobs.models import AnalysisJob, JobSource


async def add_job(session: AsyncSession, source_ids: Sequence[UUID] = (), **facts: Any) -> AnalysisJob:
    """Add a job with its sources in their order; `facts` are its columns."""
    job = AnalysisJob(**facts)
    session.add(job)
    await session.flush()
    rows = [{"job_id": job.id, "position": place, "file_id": file_id} for place, file_id in enumerate(source_ids)]
    if rows:
        await session.execute(insert(JobSource), rows)
    return job
