"""Jobs that wait for a worker, counted."""

from collections.abc import Sequence
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
