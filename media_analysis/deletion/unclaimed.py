"""Keys that nobody has, and the lock of whoever takes one over or deletes what lies there."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.locks import NamedLock, lock_in

_TRACKED = text("SELECT key FROM media_files WHERE key = ANY(CAST(:keys AS text[]))")
_BURIED = text("""
    SELECT stone.key FROM purges AS purge
    CROSS JOIN unnest(purge.tombstone_ids) AS listed(id) JOIN tombstones AS stone ON stone.id = listed.id
    WHERE purge.confirmed_at IS NULL AND (purge.due_at IS NOT NULL OR purge.dead_at IS NOT NULL)
        AND stone.key = ANY(CAST(:keys AS text[]))
""")
TREE: Final = NamedLock(
    "media-analysis.tree",
    "another process imports objects in place, or sets some aside (media-analysis verify --quarantine)",
)
"""Of whoever takes over, sets aside or deletes objects that no row names."""


async def lock_tree(session: AsyncSession) -> None:
    """Keep everybody else from objects that no row names, until the transaction ends; raises as `lock_in`."""
    await lock_in(session, TREE)


async def list_unclaimed(session: AsyncSession, keys: Sequence[str]) -> Sequence[str]:
    """Return those keys that neither a row nor a tombstone with an open purge names, as of one snapshot or later.

    Rows are asked first: a file on its way out has its tombstone before it loses its row.
    """
    claimed = set((await session.execute(_TRACKED, {"keys": list(keys)})).scalars())
    left = [key for key in keys if key not in claimed]
    if left:
        claimed |= set((await session.execute(_BURIED, {"keys": left})).scalars())
    return [key for key in left if key not in claimed]
