"""Which files jobs may have for sources."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import SourceUnusable

# Locked, so that none of them expires or goes between being looked at and being pinned.
_USABLE: Final = """
    SELECT id, owner FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'stored'
        AND (id, owner) IN (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:owners AS text[])))
        AND (expires_at IS NULL OR expires_at > :now OR leased_until > :now)
    ORDER BY id FOR UPDATE
"""
_LOCK_USABLE: Final = text(_USABLE)
_LOCK_FREE: Final = text(f"{_USABLE} SKIP LOCKED")


async def lock_usable(
    session: AsyncSession, wanted: Sequence[tuple[UUID, str]], now: datetime, *, wait: bool
) -> Mapping[UUID, str]:
    """Lock those of the files of owners that jobs may have for sources; those that others lock may be left out."""
    asked = {"ids": [file_id for file_id, _ in wanted], "owners": [owner for _, owner in wanted], "now": now}
    rows = await session.execute(_LOCK_USABLE if wait else _LOCK_FREE, asked)
    return {row.id: row.owner for row in rows}


def require_usable(owner: str, ids: Sequence[UUID], usable: Mapping[UUID, str]) -> None:
    """Return if all of these are usable files of an owner.

    Raises:
        SourceUnusable: one is not.

    """
    for file_id in ids:
        if usable.get(file_id) != owner:
            raise SourceUnusable(file_id, why="is not a stored file of this owner, or has expired")
