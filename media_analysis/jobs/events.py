"""What happens to jobs, numbered per job in the transaction that makes it happen, and announced at its commit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.jobs.models import LINE, JobEvent

CHANNEL: Final = "job_events"
"""Where PostgreSQL announces the ids of jobs that something happened to, with a space between them."""

WORK_CHANNEL: Final = "job_work"
"""Where PostgreSQL announces the line in which a job waits, once a commit, and the id of a job that has to stop."""

IDS_A_NOTICE: Final = 200
"""PostgreSQL takes 8,000 bytes."""

WORK: Final = f"""CASE
    WHEN status = 'pending' THEN {LINE} WHEN status = 'cancelled' AND worker IS NOT NULL THEN id::text
END AS work"""
"""What workers are told of a job's row."""

# The job's row is locked by the number it gives, so numbers are visible in their order and without gaps.
TELL: Final = f"""
    told AS (
        INSERT INTO job_events (job_id, number, at, kind, data)
        SELECT id, last_event, clock_timestamp(), kind, data FROM numbered
    ), counted AS (
        SELECT id, work, row_number() OVER () / {IDS_A_NOTICE} AS part FROM numbered
    ), announced AS MATERIALIZED (
        SELECT pg_notify('{CHANNEL}', string_agg(id::text, ' ')) FROM counted GROUP BY part
        UNION ALL SELECT pg_notify('{WORK_CHANNEL}', work) FROM counted WHERE work IS NOT NULL
    )
"""  # noqa: S608 - constants
"""Parts of a statement that has counted `last_event` of jobs up and says of each in `numbered`: (id, last_event,
kind, data, work). It has to read all of `announced`."""

_ADD = text(f"""
    WITH numbered AS (
        UPDATE analysis_jobs SET last_event = last_event + 1 WHERE id = ANY(CAST(:job_ids AS uuid[]))
        RETURNING id, last_event, CAST(:kind AS text) AS kind, CAST(:data AS jsonb) AS data, {WORK}
    ), {TELL}
    SELECT count(*) FROM announced
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
