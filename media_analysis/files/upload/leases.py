"""Leases of pending uploads: whoever brings their bytes renews them, and the sweep takes what nobody renews."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text

from media_analysis.db.database import Database
from media_analysis.db.ids import chunks_of

RENEWED: Final = 2_000
"""Files whose leases one statement renews: a restore has a hundred thousand, and the event loop sends all their ids."""


def renewal(which: str, *, below: float) -> TextClause:
    """Return the statement that renews the leases of pending files, of which less than this share is left.

    Those that are fresh stay as they are, and whoever stores one is not waited for: a run may have a hundred thousand.
    """
    return text(f"""
        WITH ageing AS MATERIALIZED (
            SELECT id FROM media_files
            WHERE {which} AND state = 'pending' AND due_at < now() + make_interval(secs => :lease_seconds * {below})
            ORDER BY id FOR UPDATE SKIP LOCKED
        )
        UPDATE media_files SET due_at = now() + make_interval(secs => :lease_seconds)
        WHERE id = ANY(ARRAY(SELECT id FROM ageing))
    """)  # noqa: S608 - a condition of ours


_RENEW: Final = renewal("id = ANY(CAST(:ids AS uuid[]))", below=0.8)
_END: Final = text("""
    WITH ended AS MATERIALIZED (
        SELECT id FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending' AND due_at > now()
        ORDER BY id FOR UPDATE SKIP LOCKED
    )
    UPDATE media_files SET due_at = now() WHERE id = ANY(ARRAY(SELECT id FROM ended))
""")


@asynccontextmanager
async def leased(db: Database, ids: Collection[UUID], *, lease_seconds: float) -> AsyncIterator[None]:
    """Renew the leases of pending rows, of those that join `ids` too, for as long as the block runs."""
    renewing = asyncio.create_task(_renew(db, ids, lease_seconds))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def end_leases(db: Database, ids: Collection[UUID]) -> None:
    """Let the sweep take pending rows now; those that it cannot be said of end as ever, when nobody renews them."""
    for chunk in chunks_of(list(ids), RENEWED):
        with suppress(Exception):
            async with db.transaction() as session:
                await session.execute(_END, {"ids": chunk})


async def _renew(db: Database, ids: Collection[UUID], lease_seconds: float) -> None:
    while True:
        await asyncio.sleep(lease_seconds / 3)
        for chunk in chunks_of(list(ids), RENEWED):
            with suppress(Exception):  # a missed renewal shows when the upload is stored
                async with db.transaction() as session:
                    await session.execute(_RENEW, {"ids": chunk, "lease_seconds": lease_seconds})
