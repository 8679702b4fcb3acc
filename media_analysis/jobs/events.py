"""What happens to jobs, numbered per job in the transaction that makes it happen, and announced at its commit."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.events.log import ADD_JOB_EVENTS
from media_analysis.events.types import EventType
from media_analysis.jobs.models import LINE

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
    told AS ({ADD_JOB_EVENTS}
    ), counted AS (
        SELECT id, work, row_number() OVER () / {IDS_A_NOTICE} AS part FROM numbered
    ), announced AS MATERIALIZED (
        SELECT pg_notify('{CHANNEL}', string_agg(id::text, ' ')) FROM counted GROUP BY part
        UNION ALL SELECT pg_notify('{WORK_CHANNEL}', work) FROM counted WHERE work IS NOT NULL
    )
"""  # noqa: S608 - constants
"""Parts of a statement that has counted `last_event` of jobs up and says of each in `numbered`: (id, owner, last_event,
type, data, work). It has to read all of `announced`."""

_ADD = text(f"""
    WITH numbered AS (
        UPDATE analysis_jobs SET last_event = last_event + 1 WHERE id = ANY(CAST(:job_ids AS uuid[]))
        RETURNING id, owner, last_event, CAST(:type AS text) AS type, CAST(:data AS jsonb) AS data, {WORK}
    ), {TELL}
    SELECT count(*) FROM announced
""")  # noqa: S608 - constants
_LIST = text("""
    SELECT number, at, kind, data FROM job_events
    WHERE job_id = :job_id AND number > :after ORDER BY number LIMIT :limit
""")


class JobEvent(NamedTuple):
    """Something that happened to a job, numbered without gaps, so that a reader who was away misses nothing."""

    number: int
    at: datetime
    kind: str
    """`status`, `progress` or `warning`."""
    data: Mapping[str, Any]


async def add_event(session: AsyncSession, job_id: UUID, what: EventType, data: Mapping[str, Any]) -> None:
    """Write the next event of a job."""
    await add_event_to_all(session, [job_id], what, data)


async def add_event_to_all(
    session: AsyncSession, job_ids: Sequence[UUID], what: EventType, data: Mapping[str, Any]
) -> None:
    """Write the same next event of many locked jobs."""
    asked = {"job_ids": list(job_ids), "type": what.value, "data": json.dumps(data)}
    await session.execute(_ADD, asked)


async def list_events(session: AsyncSession, job_id: UUID, *, after: int, limit: int) -> Sequence[JobEvent]:
    """Return the events of a job behind a number, in order."""
    rows = await session.execute(_LIST, {"job_id": job_id, "after": after, "limit": limit})
    return [JobEvent(*row) for row in rows]
