"""Jobs that wait for a worker or have one, counted."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


class Waiting(NamedTuple):
    """What waits of one kind."""

    kind: str
    jobs: int
    oldest_seconds: float
    """For how long the oldest could have run, had somebody been free."""


_WAITING = text("""
    SELECT kind, count(*) AS jobs,
        greatest(0, extract(epoch FROM now() - min(coalesce(retry_at, created_at))))::float8 AS oldest_seconds
    FROM analysis_jobs WHERE status = 'pending' AND deleted_at IS NULL GROUP BY kind ORDER BY kind
""")


async def list_waiting(session: AsyncSession) -> Sequence[Waiting]:
    """Return every kind of which a job waits."""
    return [Waiting._make(row) for row in await session.execute(_WAITING)]


_OPEN = text("""
    SELECT status::text, count(*) AS jobs FROM analysis_jobs
    WHERE status IN ('pending', 'running') AND deleted_at IS NULL GROUP BY status
""")


async def count_open(session: AsyncSession) -> Mapping[str, int]:
    """Return how many jobs are pending and how many run, of all owners."""
    counts = {row.status: row.jobs for row in await session.execute(_OPEN)}
    return {"pending": counts.get("pending", 0), "running": counts.get("running", 0)}
