"""Rows of new jobs and results."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.jobs.models import AnalysisJob, AnalysisResult, JobSource

_MARK_PRODUCED: Final = text("""
    UPDATE analysis_jobs SET produced = (
        SELECT coalesce(jsonb_object_agg(category, jsonb_build_object('files', files, 'size_bytes', size_bytes)), '{}')
        FROM (
            SELECT category, count(*) AS files, sum(size_bytes)::bigint AS size_bytes
            FROM media_files WHERE job_id = :job_id AND state = 'stored' GROUP BY category
        ) AS stored
    ) WHERE id = :job_id
""")


async def add_job(session: AsyncSession, source_ids: Sequence[UUID] = (), **facts: Any) -> AnalysisJob:
    """Add a job with its sources in their order; `facts` are its columns."""
    job = AnalysisJob(**facts)
    session.add(job)
    await session.flush()
    rows = [{"job_id": job.id, "position": place, "file_id": file_id} for place, file_id in enumerate(source_ids)]
    if rows:
        await session.execute(insert(JobSource), rows)
    return job


async def mark_produced(session: AsyncSession, job_id: UUID) -> None:
    """Note the files and bytes of a locked job by category, as a run that just ended knows them."""
    await session.execute(_MARK_PRODUCED, {"job_id": job_id})


async def add_result_rows(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add results by their columns."""
    if rows:
        await session.execute(insert(AnalysisResult), rows)
