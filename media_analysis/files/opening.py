"""Opens the store that belongs to a database."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.files.queries import has_files
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import adopt_archives, adopt_store, read_marker
from media_analysis.storage.places import Places

_HAS_ARCHIVES: Final = text("""
    SELECT EXISTS (SELECT FROM media_files WHERE starts_with(key, 'archives/'))
        OR EXISTS (SELECT FROM tombstones WHERE starts_with(key, 'archives/'))
""")


async def open_store(db: Database, places: Places, instance_id: UUID) -> DiskStore:
    """Open the store, marking every root that is new to a database that is new to it.

    Raises:
        MarkerMismatch: a root is another database's, not mounted, or holds files nobody knows.

    """
    unmarked = places.archives is not None and read_marker(places.archives) is None
    async with db.read_only() as session:
        fresh = not await has_files(session)
        fresh_archives = unmarked and not await has_archives(session)
    adopt_store(places.root, instance_id, fresh_database=fresh)
    if places.archives is not None:
        adopt_archives(places.archives, instance_id, fresh=fresh_archives)
    return DiskStore(places.root, instance_id, places.archives)


async def has_archives(session: AsyncSession) -> bool:
    """Say whether the database ever knew an object below `archives/`; it reads every key."""
    return bool((await session.execute(_HAS_ARCHIVES)).scalar_one())
