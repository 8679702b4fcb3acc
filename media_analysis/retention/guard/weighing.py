"""What would go if deletion went on now, counted in pieces that no time limit meets."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.deletion.due import START
from media_analysis.deletion.selection import Amount
from media_analysis.storage.category import Category

WEIGHED_AT_ONCE: Final = 100_000
"""How many due files one statement looks at, so that none runs into its time limit."""


async def sum_due(session: AsyncSession, category: Category, *, now: datetime, trash: bool = False) -> Amount:
    """Return what would go now that nobody weighed yet: no uploads that were given up, and no `trash` unless asked for.

    What is protected after all counts until a sweep has looked at it: too much rather than too little.
    """
    files = size_bytes = 0
    after_at, after_id = START.due_at, START.id
    while True:
        asked = {"category": category.value, "now": now, "after_at": after_at, "after_id": after_id}
        chunk = (await session.execute(_DUE, {**asked, "trash": trash, "limit": WEIGHED_AT_ONCE})).one()
        files, size_bytes = files + chunk.files, size_bytes + chunk.size_bytes
        if chunk.seen < WEIGHED_AT_ONCE:
            return Amount(files, size_bytes)
        after_at, after_id = chunk.last_due_at, chunk.last_id


_DUE: Final = text("""
    WITH chunk AS MATERIALIZED (
        SELECT id, due_at, size_bytes, state <> 'pending' AND (:trash OR state <> 'trashed') AS counts
        FROM media_files
        WHERE category = CAST(:category AS category) AND due_at <= :now AND (due_at, id) > (:after_at, :after_id)
        ORDER BY due_at, id LIMIT :limit
    )
    SELECT
        count(*) AS seen,
        count(*) FILTER (WHERE counts) AS files,
        coalesce(sum(size_bytes) FILTER (WHERE counts), 0)::bigint AS size_bytes,
        (SELECT due_at FROM chunk ORDER BY due_at DESC, id DESC LIMIT 1) AS last_due_at,
        (SELECT id FROM chunk ORDER BY due_at DESC, id DESC LIMIT 1) AS last_id
    FROM chunk
""")
