"""Leases of pending uploads: whoever brings their bytes renews them, and the sweep takes what nobody renews."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from media_analysis.db.database import Database
from media_analysis.files.queries import renew_leases


@asynccontextmanager
async def leased(db: Database, ids: Collection[UUID], *, lease_seconds: float) -> AsyncIterator[None]:
    """Renew the leases of pending rows for as long as the block runs."""
    renewing = asyncio.create_task(_renew(db, sorted(ids), lease_seconds))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])


async def _renew(db: Database, ids: list[UUID], lease_seconds: float) -> None:
    while True:
        await asyncio.sleep(lease_seconds / 3)
        with suppress(Exception):  # a missed renewal shows when the upload settles
            async with db.transaction() as session:
                await renew_leases(session, ids, lease_seconds=lease_seconds)
