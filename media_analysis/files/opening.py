"""Opens the store that belongs to a database."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.db.instance import Instance, mark_archives_apart
from media_analysis.errors import MarkerMismatch, NoDataDirectory, StoreUnavailable
from media_analysis.files.queries import has_files
from media_analysis.settings import Settings
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.entries import EntryKind
from media_analysis.storage.furnishing import furnish
from media_analysis.storage.marker import MARKER_NAME, Purpose, adopt_archives, adopt_store, read_marker
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.places import Places
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.store import ObjectStore

if TYPE_CHECKING:
    from media_analysis.storage.remote.store import RemoteStore

ARCHIVE_PREFIX: Final = "ARCHIVE_"
"""What the variables begin with that say how the bucket of the archives is reached, where they are others."""
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


async def open_store(
    db: Database, settings: Settings, instance_id: UUID, *, creates: bool = True, holds_archives: bool = False
) -> ObjectStore:
    """Open the store, marking every site that is new to a database that is new to it, unless nothing is to be created.

    `holds_archives` says that archives lie in it if nobody names another site, and need not be looked for.

    Raises:
        NoDataDirectory: there is a directory to be created.
        MarkerMismatch: a site is another database's, yet to be marked, not mounted, or holds files nobody knows; or
            archives have a site of their own, and nobody says where.
        InvalidSettings: what is deleted from a bucket stays there, and nobody said that it may.
        StoreUnavailable: a bucket does not answer, or not to these credentials.

    """
    sites, opening = settings.sites, _Opening(db, settings, instance_id, creates)
    places, archives = sites.places, sites.archives
    main = Purpose.EVERYTHING if archives is None else Purpose.WITHOUT_ARCHIVES
    async with db.read_only() as session:
        fresh = not await has_files(session)
    async with AsyncExitStack() as opened:
        if isinstance(sites.main, RemoteAddress):
            store: ObjectStore = await opening.open_bucket(sites.main, "", main, fresh=fresh)
        else:
            store = await opening.open_disk(places or Places(sites.main), main, fresh=fresh)
        opened.callback(store.close)
        if isinstance(archives, RemoteAddress):
            store = await opening.open_archives(archives, store)
        elif archives is not None and places is None:
            root = Places(archives, modes=sites.modes)
            await opening.adopt_archives(root)
            store = PairedStore(store, DiskStore(root, instance_id, Purpose.ARCHIVES))
        await _settle_archives(db, store, apart=archives is not None, sure=holds_archives)
        if creates and places is not None:
            await asyncio.to_thread(furnish, places)
        opened.pop_all()
    return store


@dataclass(frozen=True)
class _Opening:
    """Opens the sites of a store one by one, and marks the new ones."""

    db: Database
    settings: Settings
    instance_id: UUID
    creates: bool

    async def open_disk(self, places: Places, purpose: Purpose, *, fresh: bool) -> DiskStore:
        if fresh and not self.creates:
            require_marked(places.root)
        adopt_store(places.root, self.instance_id, fresh_database=fresh, modes=places.modes, purpose=purpose)
        if places.archives is not None:
            await self.adopt_archives(Places(places.archives, modes=places.modes))
        return DiskStore(places, self.instance_id, purpose)

    async def adopt_archives(self, places: Places) -> None:
        """Mark the disk of the archives if it is as new as they are."""
        fresh = read_marker(places.root) is None and not await self._has_archives()
        if fresh and not self.creates:
            require_marked(places.root)
        adopt_archives(places.root, self.instance_id, fresh=fresh, modes=places.modes)

    async def open_archives(self, address: RemoteAddress, main: ObjectStore) -> ObjectStore:
        """Open a bucket of archives, as one with the store of everything else."""
        archives = await self.open_bucket(address, ARCHIVE_PREFIX, Purpose.ARCHIVES, fresh=None, beside=main)
        from media_analysis.files.buckets import pair  # noqa: PLC0415 - as below

        return pair(main, archives)

    async def open_bucket(
        self,
        address: RemoteAddress,
        prefix: str,
        purpose: Purpose,
        *,
        fresh: bool | None,
        beside: ObjectStore | None = None,
    ) -> "RemoteStore":
        """Open a bucket that is as new as `fresh` says, or as archives are; `prefix` is that of its credentials."""
        # Here, so that a store on disk waits for no client of buckets to be loaded.
        from media_analysis.files.buckets import open_bucket, require_addresses, require_deletion  # noqa: PLC0415

        opened = open_bucket(address, self.instance_id, self.settings, prefix, purpose, beside=beside)
        async with opened as (store, marked):
            if fresh is None:
                fresh = not marked and not await self._has_archives()
            _require_creatable(address, creates=self.creates or marked or not fresh)
            if self.creates:
                await require_deletion(store, self.settings)
                require_addresses(store, self.settings, is_main=not prefix)
            await store.adopt(fresh_database=fresh)
        return store

    async def _has_archives(self) -> bool:
        async with self.db.read_only() as session:
            return await has_archives(session)


def _require_creatable(address: RemoteAddress, *, creates: bool) -> None:
    if not creates:
        raise MarkerMismatch(f"{address} carries no {MARKER_NAME}: no service was started on it yet")


def require_marked(root: Path) -> None:
    """Fail unless a store lies in a directory.

    Raises:
        NoDataDirectory: it carries no marker.

    """
    if read_marker(root) is None:
        raise NoDataDirectory(root, f"no store, for it carries no {MARKER_NAME}")


async def _settle_archives(db: Database, store: ObjectStore, *, apart: bool, sure: bool) -> None:
    """Remember where archives lie; those of a site of their own are the store's again once they were moved back."""
    async with db.read_only() as session:
        was_apart = (await session.execute(select(Instance.archives_apart))).scalar_one()
        keys = await _list_archives(session) if was_apart and not apart and not sure else []
    for key, entry in zip(keys, await store.look_up(keys), strict=True):
        if entry is None:
            raise MarkerMismatch(
                f"archives have a site of their own, and {key} is not at {store.where('')}; name it by "
                "ARCHIVE_BASE_PATH or ARCHIVE_URL, or move what is below archives into the store"
            )
        if entry.kind is EntryKind.UNREADABLE:
            raise StoreUnavailable(f"archives have a site of their own, and {key} cannot be looked for: {entry.reason}")
    if apart != was_apart:
        async with db.transaction() as session:
            await mark_archives_apart(session, apart=apart)


async def _list_archives(session: AsyncSession) -> Sequence[str]:
    return (await session.scalars(_ARCHIVES, {"limit": LOOKED_FOR})).all()


async def has_archives(session: AsyncSession) -> bool:
    """Say whether the database ever knew an object below `archives/`; it reads every key."""
    return bool((await session.execute(_HAS_ARCHIVES)).scalar_one())
