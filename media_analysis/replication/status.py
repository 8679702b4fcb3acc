"""How replicas stand: how many there are, what waits and for how long, and what would be lost by now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from media_analysis.db.database import Database
from media_analysis.files.damage import count_damaged

SHOWN: Final = 20
_LAG: Final = text("""
    SELECT count(*) FILTER (WHERE copied_at IS NULL) AS files,
        coalesce(sum(size_bytes) FILTER (WHERE copied_at IS NULL), 0)::bigint AS size_bytes,
        count(*) FILTER (WHERE last_error IS NOT NULL) AS failing,
        count(*) FILTER (WHERE heals) AS healing,
        least(
            min(noted_at) FILTER (WHERE copied_at IS NULL),
            (SELECT at FROM events WHERE id > (SELECT logged FROM replica_places) ORDER BY id LIMIT 1),
            (SELECT since FROM replica_places WHERE walk_ended_at IS NULL)
        ) AS oldest_at,
        now() AS now
    FROM replicas WHERE due_at IS NOT NULL
""")
_PLACE: Final = text("""
    SELECT address, categories, since, walk_ended_at IS NULL AS walks FROM replica_places
""")
_COPIED: Final = text("""
    SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM replicas WHERE copied_at IS NOT NULL
""")
_HAS_DUE: Final = text("SELECT EXISTS (SELECT FROM replicas WHERE due_at <= now())")
_FAILING: Final = text("""
    SELECT key, last_error FROM replicas WHERE due_at IS NOT NULL AND last_error IS NOT NULL
    ORDER BY noted_at LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class ReplicaLag:
    """What has no replica yet; what of the log nobody has read counts by its age alone."""

    files: int
    size_bytes: int
    failing: int
    """How many were tried in vain."""
    healing: int
    """How many primaries are to be mended from their replicas."""
    oldest_at: datetime | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """All there is to tell of replicas."""

    address: str
    categories: Sequence[str]
    since: datetime
    walks: bool
    """Whether files that were there before are still gone through."""
    copied_files: int
    copied_bytes: int
    lag: ReplicaLag
    failing: Sequence[tuple[str, str]]
    """Keys of some that were tried in vain, and why."""
    damaged_files: int
    """Of which the primary store holds no whole object by now, whether a replica can mend them or not."""


@dataclass(frozen=True)
class ReplicaStatusService:
    """Reads it; the lag by an index over what is due, all of it by every row."""

    db: Database

    async def lag(self) -> ReplicaLag:
        """Return what waits, and for how long the oldest has."""
        async with self.db.read_only() as session:
            row = (await session.execute(_LAG)).one()
        seconds = 0.0 if row.oldest_at is None else max(0.0, (row.now - row.oldest_at).total_seconds())
        return ReplicaLag(row.files, row.size_bytes, row.failing, row.healing, row.oldest_at, seconds)

    async def has_due(self) -> bool:
        """Say whether anything could be worked off now."""
        async with self.db.read_only() as session:
            return bool((await session.execute(_HAS_DUE)).scalar_one())

    async def read(self) -> ReplicaStatus | None:
        """Return everything, None where there are no replicas."""
        lag = await self.lag()
        async with self.db.read_only() as session:
            place = (await session.execute(_PLACE)).one_or_none()
            copied_files, copied_bytes = (await session.execute(_COPIED)).one()
            failing = (await session.execute(_FAILING, {"limit": SHOWN})).all()
            damaged_files = await count_damaged(session)
        if place is None:
            return None
        told = [(row.key, row.last_error) for row in failing]
        return ReplicaStatus(
            place.address,
            place.categories,
            place.since,
            place.walks,
            copied_files=copied_files,
            copied_bytes=copied_bytes,
            lag=lag,
            failing=told,
            damaged_files=damaged_files,
        )
