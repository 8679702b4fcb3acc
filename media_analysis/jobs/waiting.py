"""Jobs that wait for a worker or have one, counted."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.driver import Executes
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


_COUNT_OF_OWNERS = text("SELECT owner, jobs FROM waiting_jobs WHERE owner = ANY(CAST(:owners AS text[]))")
# The counts of several owners are changed in the order of their jobs: first all are locked in their own.
_LOCK_COUNTS = text("""
    SELECT FROM waiting_jobs WHERE owner = ANY(CAST(:owners AS text[])) ORDER BY owner FOR UPDATE
""")
_COUNT_NOW = text("SET CONSTRAINTS count_waiting_job_added, count_waiting_job_changed IMMEDIATE")


async def count_waiting(session: AsyncSession, owners: Collection[str]) -> Mapping[str, int]:
    """Return how many jobs of owners wait; nothing is locked, so others may take a place meanwhile."""
    rows = await session.execute(_COUNT_OF_OWNERS, {"owners": list(owners)})
    known = {row.owner: row.jobs for row in rows}
    return {owner: known.get(owner, 0) for owner in owners}


async def take_places(session: AsyncSession, owners: Collection[str], *, limit: int) -> None:
    """Count the jobs of owners that this transaction lets wait; their other jobs wait for its end.

    Raises:
        TooManyJobs: others took the last place of one meanwhile; the transaction has to be given up.

    """
    await lock_counts(session, owners)
    await session.execute(_COUNT_NOW)
    for owner, waiting in (await count_waiting(session, owners)).items():
        if waiting > limit:
            raise TooManyJobs(owner, waiting=waiting - 1, limit=limit)


async def lock_counts(session: Executes, owners: Collection[str]) -> None:
    """Lock what is counted of several owners, last in a transaction that changes it."""
    if len(owners) > 1:
        await session.execute(_LOCK_COUNTS, {"owners": list(owners)})
