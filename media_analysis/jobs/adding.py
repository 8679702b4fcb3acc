"""Rows of new jobs and results."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.transitions import LEASE
from media_analysis.jobs.events import TELL, WORK
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

_ADD_WAITING: Final = text(f"""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:owners AS text[]), CAST(:names AS text[]), CAST(:kinds AS text[]),
            CAST(:parameters AS text[]), CAST(:priorities AS integer[]), CAST(:lifted AS boolean[]),
            CAST(:folders AS text[]), CAST(:pins AS timestamptz[]), CAST(:lifetimes AS float8[]),
            CAST(:labels AS text[]), CAST(:traces AS text[])
        ) AS asked(id, owner, name, kind, parameters, priority, lifted, folder_name, pinned_until, lifetime_seconds,
                   labels, trace)
    ), numbered AS (
        INSERT INTO analysis_jobs (id, owner, name, kind, parameters, status, progress, priority, lifted, attempts,
            last_event, folder_name, category, created_at, pinned_until, lifetime_seconds, labels, trace)
        SELECT id, owner, name, kind, CAST(parameters AS jsonb), 'pending', 0, priority, lifted, 0,
            1, folder_name, 'outputs', :now, pinned_until, lifetime_seconds, CAST(labels AS jsonb), trace
        FROM asked ORDER BY id
        RETURNING id, owner, last_event, 'job.created' AS type, jsonb_build_object('status', status) AS data, {WORK}
    ), {TELL}, source AS (
        SELECT * FROM unnest(CAST(:job_ids AS uuid[]), CAST(:positions AS integer[]), CAST(:file_ids AS uuid[]))
            AS source(job_id, position, file_id)
    ), named AS (
        INSERT INTO job_sources (job_id, position, file_id, until)
        SELECT job_id, position, file_id, pinned_until FROM source JOIN asked ON asked.id = job_id
    ), locked AS (
        SELECT DISTINCT file_id AS id FROM source JOIN asked ON asked.id = job_id WHERE pinned_until IS NOT NULL
    ), leased AS ({LEASE})
    SELECT count(*) FROM announced
""")  # noqa: S608 - fragments of ours


async def add_waiting_jobs(
    session: AsyncSession, jobs: Mapping[AnalysisJob, Sequence[UUID]], now: datetime, *, pinned_until: datetime
) -> None:
    """Add new jobs that wait, each with its locked sources in their order, pinned until then where it pins them."""
    named = [(job.id, *placed) for job, source_ids in jobs.items() for placed in enumerate(source_ids)]
    asked = {
        "ids": [job.id for job in jobs],
        "owners": [job.owner for job in jobs],
        "names": [job.name for job in jobs],
        "kinds": [job.kind for job in jobs],
        "parameters": [json.dumps(job.parameters) for job in jobs],
        "priorities": [job.priority for job in jobs],
        "lifted": [job.lifted for job in jobs],
        "folders": [job.folder_name for job in jobs],
        "pins": [job.pinned_until for job in jobs],
        "lifetimes": [job.lifetime_seconds for job in jobs],
        "labels": [json.dumps(job.labels) if job.labels else None for job in jobs],
        "traces": [job.trace for job in jobs],
        "job_ids": [job_id for job_id, _, _ in named],
        "positions": [position for _, position, _ in named],
        "file_ids": [file_id for _, _, file_id in named],
    }
    await session.execute(_ADD_WAITING, {**asked, "now": now, "until": pinned_until})


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
