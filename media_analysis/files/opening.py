"""Opens the store that belongs to a database."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.db.instance import Instance, mark_archives_apart
from media_analysis.errors import MarkerMismatch, NoDataDirectory
from media_analysis.files.queries import has_files
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.furnishing import furnish
from media_analysis.storage.marker import MARKER_NAME, adopt_archives, adopt_store, read_marker
from media_analysis.storage.places import Places
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.walk import look_up

_HAS_ARCHIVES: Final = text("""
    SELECT EXISTS (SELECT FROM media_files WHERE starts_with(key, 'archives/'))
        OR EXISTS (SELECT FROM tombstones WHERE starts_with(key, 'archives/'))
""")
# What a scrub did not find is missing wherever it should lie.
_ARCHIVES: Final = text("""
    SELECT key FROM media_files
    WHERE category = 'archives' AND state IN ('stored', 'trashed') AND last_error IS NULL
        AND starts_with(key, 'archives/')
    ORDER BY id DESC LIMIT :limit
""")
LOOKED_FOR: Final = 1_000
"""Of so many archives one that is not in the store shows that they lie elsewhere."""


async def open_store(db: Database, places: Places, instance_id: UUID, *, creates: bool = True) -> ObjectStore:
    """Open the store, marking every root that is new to a database that is new to it, unless nothing is to be created.

    Raises:
        NoDataDirectory: there is a root to be created.
        MarkerMismatch: a root is another database's, not mounted, or holds files nobody knows; or archives have a disk
            of their own, and nobody says where.

    """
    unmarked = places.archives is not None and read_marker(places.archives) is None
    async with db.read_only() as session:
        fresh = not await has_files(session)
        fresh_archives = unmarked and not await has_archives(session)
    if fresh and not creates:
        _require_marked(places.root)
    adopt_store(places.root, instance_id, fresh_database=fresh, modes=places.modes)
    if places.archives is not None:
        if fresh_archives and not creates:
            _require_marked(places.archives)
        adopt_archives(places.archives, instance_id, fresh=fresh_archives, modes=places.modes)
    await _settle_archives(db, places)
    if creates:
        await asyncio.to_thread(furnish, places)
    return DiskStore(places, instance_id)


def _require_marked(root: Path) -> None:
    if read_marker(root) is None:
        raise NoDataDirectory(root, f"no store, for it carries no {MARKER_NAME}")


async def _settle_archives(db: Database, places: Places) -> None:
    """Remember where archives lie; those of a disk of their own are the store's again once they were moved back."""
    apart = places.archives is not None
    async with db.read_only() as session:
        was_apart = (await session.execute(select(Instance.archives_apart))).scalar_one()
        keys = await _list_archives(session) if was_apart and not apart else []
    absent = [key for key, entry in zip(keys, look_up(places, keys), strict=True) if entry is None]
    if absent:
        raise MarkerMismatch(
            f"the archives lie on a disk of their own, and {absent[0]} is not in {places.root}; name that disk by "
            f"ARCHIVE_BASE_PATH, or move its folder archives into the store"
        )
    if apart != was_apart:
        async with db.transaction() as session:
            await mark_archives_apart(session, apart=apart)


async def _list_archives(session: AsyncSession) -> Sequence[str]:
    return (await session.scalars(_ARCHIVES, {"limit": LOOKED_FOR})).all()


async def has_archives(session: AsyncSession) -> bool:
    """Say whether the database ever knew an object below `archives/`; it reads every key."""
    return bool((await session.execute(_HAS_ARCHIVES)).scalar_one())
