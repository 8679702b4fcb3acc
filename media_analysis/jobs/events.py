"""What happens to jobs, numbered per job in the transaction that makes it happen, and announced at its commit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.jobs.models import LINE, JobEvent

CHANNEL: Final = "job_events"
"""Where PostgreSQL announces the id of a job that something happened to."""

WORK_CHANNEL: Final = "job_work"
"""Where PostgreSQL announces the line in which a job waits, once a commit, and the id of a job that has to stop."""

# The job's row is locked by the number it gives, so numbers are visible in their order and without gaps.
_ADD = text(f"""
    WITH numbered AS (
        UPDATE analysis_jobs SET last_event = last_event + 1 WHERE id = ANY(CAST(:job_ids AS uuid[]))
        RETURNING id, last_event, CASE
            WHEN status = 'pending' THEN {LINE} WHEN status = 'cancelled' AND worker IS NOT NULL THEN id::text
        END AS work
    ), added AS (
        INSERT INTO job_events (job_id, number, at, kind, data)
        SELECT id, last_event, clock_timestamp(), :kind, CAST(:data AS jsonb) FROM numbered
    )
    SELECT pg_notify(channel, payload) FROM numbered
    CROSS JOIN LATERAL (VALUES ('{CHANNEL}', id::text), ('{WORK_CHANNEL}', work)) AS notice(channel, payload)
    WHERE payload IS NOT NULL
""")  # noqa: S608 - constants


async def add_event(session: AsyncSession, job_id: UUID, kind: str, data: Mapping[str, Any]) -> None:
    """Write the next event of a job: `status`, `progress` or `warning`."""
    await add_event_to_all(session, [job_id], kind, data)


async def add_event_to_all(session: AsyncSession, job_ids: Sequence[UUID], kind: str, data: Mapping[str, Any]) -> None:
    """Write the same next event of many locked jobs."""
    asked = {"job_ids": list(job_ids), "kind": kind, "data": json.dumps(data)}
    await session.execute(_ADD, asked)


async def list_events(session: AsyncSession, job_id: UUID, *, after: int, limit: int) -> Sequence[JobEvent]:
    """Return the events of a job behind a number, in order."""
    query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.number > after)
    return (await session.scalars(query.order_by(JobEvent.number).limit(limit))).all()
