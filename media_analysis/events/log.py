"""Parts of statements that write the log beside what they tell of, and the way out of it."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ADD_JOB_EVENTS: Final = """
    INSERT INTO events (owner, type, job_id, number, data)
    SELECT owner, type, id, last_event, data FROM numbered
"""
"""Adds what a statement says of jobs in `numbered`: (id, owner, type, last_event, data)."""
# What has a number and is behind the end of the log stayed for its job alone.
_RELEASE: Final = text("""
    WITH ended AS MATERIALIZED (
        SELECT coalesce((SELECT through FROM event_ends WHERE owner = '' FOR SHARE), 0) AS through
    ), released AS (
        SELECT event.id, event.id <= ended.through AS is_over
        FROM ended, unnest(CAST(:job_ids AS uuid[]), CAST(:below AS bigint[])) AS job(id, below)
            JOIN events AS event ON event.job_id = job.id AND event.number < job.below
    ), deleted AS (
        DELETE FROM events WHERE id IN (SELECT id FROM released WHERE is_over)
    )
    UPDATE events SET number = NULL WHERE id IN (SELECT id FROM released WHERE NOT is_over)
""")


async def release_job_events(session: AsyncSession, below: Sequence[tuple[UUID, int]]) -> None:
    """Let go of the stories of locked jobs, each below a number: what the log still has stays there, without one."""
    await session.execute(_RELEASE, {"job_ids": [job for job, _ in below], "below": [number for _, number in below]})
