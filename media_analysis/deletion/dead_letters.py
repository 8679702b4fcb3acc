"""Dead letters: deletions whose bytes would not go however often it was tried, and trying them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from media_analysis.db.database import Database, retried
from media_analysis.db.ids import find_ids
from media_analysis.deletion.models import Purge

_LIST_DEAD: Final = text("""
    SELECT dead.id, dead.dead_at, dead.attempts, dead.last_error, files.files, files.size_bytes, files.first_key
    FROM (
        SELECT * FROM purges WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, id DESC LIMIT :limit
    ) AS dead
    CROSS JOIN LATERAL (
        SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes, min(key) AS first_key
        FROM tombstones WHERE tombstones.id = ANY(dead.tombstone_ids)
    ) AS files
    ORDER BY dead.dead_at DESC, dead.id DESC
""")

_REVIVE: Final = text("""
    UPDATE purges SET dead_at = NULL, attempts = 0, due_at = now()
    WHERE id = ANY(ARRAY(
        SELECT id FROM purges
        WHERE dead_at IS NOT NULL AND (CAST(:ids AS uuid[]) IS NULL OR id = ANY(CAST(:ids AS uuid[])))
        ORDER BY id FOR UPDATE
    ))
    RETURNING id
""")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An outbox entry that was given up."""

    id: UUID
    dead_at: datetime
    attempts: int
    last_error: str | None
    files: int
    size_bytes: int
    first_key: str | None
    """Where the first of its objects lies in the store."""


@dataclass(frozen=True)
class DeadLetterService:
    """Lists deletions that were given up, and gives them another twenty tries."""

    db: Database

    async def list(self, *, limit: int) -> Sequence[DeadLetter]:
        """Return what was given up, the latest first."""
        async with self.db.read_only() as session:
            return [DeadLetter(**row) for row in (await session.execute(_LIST_DEAD, {"limit": limit})).mappings()]

    async def find(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of outbox entries that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            return await find_ids(session, Purge.id, digits, limit=limit)

    @retried
    async def retry(self, ids: Sequence[UUID] | None = None) -> Sequence[UUID]:
        """Let the next sweep try again what was given up, or only these of it; return which are tried.

        Nothing is deleted here: the marker, pauses and the number of attempts hold as for any other entry.
        """
        async with self.db.transaction() as session:
            revived = await session.scalars(_REVIVE, {"ids": None if ids is None else list(ids)})
            return revived.all()
