"""Jobs that wait for a worker or have one, counted."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import TooManyJobs


class KindBacklog(NamedTuple):
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


async def list_waiting(session: AsyncSession) -> Sequence[KindBacklog]:
    """Return every kind of which a job waits."""
    return [KindBacklog._make(row) for row in await session.execute(_WAITING)]


_OPEN = text("""
    SELECT status::text, count(*) AS jobs FROM analysis_jobs
    WHERE status IN ('pending', 'running') AND deleted_at IS NULL GROUP BY status
""")


async def count_open(session: AsyncSession) -> Mapping[str, int]:
    """Return how many jobs are pending and how many run, of all owners."""
    counts = {row.status: row.jobs for row in await session.execute(_OPEN)}
    return {"pending": counts.get("pending", 0), "running": counts.get("running", 0)}


_COUNT_OF_OWNER = text("SELECT jobs FROM waiting_jobs WHERE owner = :owner")
_COUNT_NOW = text("SET CONSTRAINTS count_waiting_job_added, count_waiting_job_changed IMMEDIATE")


async def require_place(session: AsyncSession, owner: str, *, limit: int) -> None:
    """Return if another job of the owner may wait; nothing is locked, so others may take the place meanwhile.

    Raises:
        TooManyJobs: as many wait as may.

    """
    waiting = (await session.execute(_COUNT_OF_OWNER, {"owner": owner})).scalar_one_or_none() or 0
    if waiting >= limit:
        raise TooManyJobs(owner, waiting=waiting, limit=limit)


async def take_place(session: AsyncSession, owner: str, *, limit: int) -> None:
    """Count a job of the owner that this transaction lets wait; the owner's other jobs wait for its end.

    Raises:
        TooManyJobs: others took the last place meanwhile; the transaction has to be given up.

    """
    await session.execute(_COUNT_NOW)
    waiting = (await session.execute(_COUNT_OF_OWNER, {"owner": owner})).scalar_one()
    if waiting > limit:
        raise TooManyJobs(owner, waiting=waiting - 1, limit=limit)
