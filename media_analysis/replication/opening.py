"""Opens the store of a database with its replica, where the settings name one."""

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from media_analysis.db.database import Database
from media_analysis.db.instance import find_instance
from media_analysis.errors import InvalidSettings, MarkerMismatch, StoreUnavailable
from media_analysis.files.opening import ARCHIVE_PREFIX, open_store, require_marked
from media_analysis.replication.places import ReplicaPlaces
from media_analysis.replication.servers import server_of, where_is
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import Marker, Purpose, adopt_store, read_marker, write_marker
from media_analysis.storage.places import Places
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.replicated import ReplicaStore, ReplicatedStore
from media_analysis.storage.sites import Site, second_place_problem
from media_analysis.storage.store import ObjectStore

PREFIX: Final = "REPLICA_"
"""What the variables begin with that say how the bucket of the replicas is reached, where they are others."""
NEW: Final = "if it is a new one and empty, media-analysis replica repair --new says so"
NO_REPLICA: Final = "there is no replica: STORAGE_REPLICA_URL says where one lies"
log = structlog.get_logger()


async def open_replicated(db: Database, settings: Settings, instance_id: UUID, *, creates: bool = True) -> ObjectStore:
    """Open the store as `open_store` does, and with it the replica, or whatever is to open that once it is there.

    Raises:
        InvalidSettings: the replica cannot be one, or nobody names it although there is one.

    """
    places, site = ReplicaPlaces(db), settings.replica_site
    known = await places.get()
    took_over = known is not None and known == where_is(settings.sites.main, "")
    address = None if site is None else where_is(site, PREFIX)
    if site is None or not creates:
        _require_named(known, settings)
    if site is not None:
        _require_second_place(site, settings)
    async with AsyncExitStack() as opened:
        # What was the replica of everything holds the archives, too.
        holds_archives = took_over and await places.copies(Category.ARCHIVES)
        store = await open_store(db, settings, instance_id, creates=creates, holds_archives=holds_archives)
        opened.callback(store.close)
        if site is not None and (creates or address == known):
            opening = _CopyOpening(
                places=places, settings=settings, instance_id=instance_id, site=site, creates=creates, beside=store
            )
            store = ReplicatedStore(store, ReplicaStore(opening.address, opening.open, opening.require_in_force))
            if creates:
                await _take(opening, known)
            with suppress(StoreUnavailable):  # it has been logged, and is looked for again
                await store.replica.require()
        elif took_over and creates:
            await places.end()
            log.warning("replica.took_over", address=known)
        opened.pop_all()
    return store


async def require_named(db: Database, settings: Settings) -> None:
    """Fail if there are replicas that the settings do not name, neither as such nor as the store.

    Raises:
        InvalidSettings: there are.

    """
    _require_named(await ReplicaPlaces(db).get(), settings)


def _require_named(known: str | None, settings: Settings) -> None:
    site = settings.replica_site
    named = {where_is(settings.sites.main, ""), None if site is None else where_is(site, PREFIX)}
    if known is not None and known not in named:
        raise InvalidSettings(
            f"replicas lie at {known}, and STORAGE_REPLICA_URL does not name it: what is deleted would stay "
            "there; name it, or have none any more by media-analysis replica end"
        )


async def _take(opening: "_CopyOpening", known: str | None) -> None:
    """Make the place the one in force; one that answers, and cannot be one, leaves what was known as it was."""
    if opening.address != known:
        with suppress(StoreUnavailable):
            (await opening.adopt(marked=False)).close()
    await opening.places.take(opening.address, opening.settings.storage.replica.categories)


async def require_known(db: Database, settings: Settings) -> None:
    """Fail if there is neither a store where the settings have it nor a replica: they mean another installation.

    Raises:
        NoDataDirectory: there is not.

    """
    main = settings.sites.main
    if isinstance(main, Path) and await ReplicaPlaces(db).get() is None:
        await asyncio.to_thread(require_marked, main)


async def read_replica(db: Database, settings: Settings) -> ReplicaStore | None:
    """Return the replica alone, wherever the primary store is; None where the settings name none."""
    if settings.replica_site is None:
        return None
    opening = await _open_alone(db, settings, settings.replica_site, creates=False)
    return ReplicaStore(opening.address, opening.open, opening.require_in_force)


async def mark_new(db: Database, settings: Settings) -> None:
    """Mark the replica's place as that of a new and empty one, where the one that was there is lost.

    Raises:
        InvalidSettings: it is not empty, or the settings name none.
        StoreUnavailable: it does not answer.

    """
    if settings.replica_site is None:
        raise InvalidSettings(NO_REPLICA)
    opening = await _open_alone(db, settings, settings.replica_site, creates=True)
    (await opening.adopt(marked=False)).close()
    await opening.places.renew()


async def _open_alone(db: Database, settings: Settings, site: Site, *, creates: bool) -> "_CopyOpening":
    async with db.read_only() as session:
        instance_id = await find_instance(session)
    if instance_id is None:
        raise InvalidSettings("no service was started on this database yet")
    places = ReplicaPlaces(db)
    return _CopyOpening(places=places, settings=settings, instance_id=instance_id, site=site, creates=creates)


def _require_second_place(site: Site, settings: Settings) -> None:
    """Refuse a bucket that is the store's own, or one inside the other; two servers may call buckets the same."""
    here = server_of(site, PREFIX)
    prefixes = ("", ARCHIVE_PREFIX)
    beside = {
        name: other
        for (name, other), prefix in zip(settings.sites.named.items(), prefixes, strict=True)
        if server_of(other, prefix) == here
    }
    if (problem := second_place_problem(site, beside)) is not None:
        raise InvalidSettings(f"STORAGE_REPLICA_URL is {site}: {problem}")


def _same_place(site: Site, own: Site) -> str:
    return f"STORAGE_REPLICA_URL is {site}: by another name the same place as {own}; a replica needs a second place"


@dataclass(frozen=True, kw_only=True)
class _CopyOpening:
    places: ReplicaPlaces
    settings: Settings
    instance_id: UUID
    site: Site
    creates: bool
    beside: ObjectStore | None = None
    """The store, where it is open: whose names are told, for the same place may be written in two ways."""

    @property
    def address(self) -> str:
        return where_is(self.site, PREFIX)

    async def require_in_force(self) -> None:
        """Fail once another process was started with another place: what this one deletes would stay there.

        Raises:
            StoreUnavailable: one was.

        """
        known = await self.places.get()
        if known not in {None, self.address}:
            raise StoreUnavailable(f"replicas lie at {known} by now; start this process with it, too")

    async def open(self) -> ObjectStore:
        """Open the store of the replicas; one that is new and empty is marked.

        Raises:
            InvalidSettings: it is another database's, holds what nobody knows, or keeps what is deleted.
            StoreUnavailable: it does not answer, or lost its marker.

        """
        store = await self.adopt(marked=await self.places.is_marked(self.address))
        await self.places.note_marked(self.address)
        return store

    async def adopt(self, *, marked: bool) -> ObjectStore:
        """Open it as one that was marked before, or as one that may be new; raises as `open`."""
        if isinstance(self.site, Path):
            return await asyncio.to_thread(self._open_disk, self.site, marked=marked)
        return await self._open_bucket(self.site, marked=marked)

    def _open_disk(self, root: Path, *, marked: bool) -> ObjectStore:
        modes = self.settings.sites.modes
        for own in self.settings.sites.roots:
            if root.exists() and own.exists() and root.samefile(own):
                raise InvalidSettings(_same_place(root, own))
        found = read_marker(root)
        self._judge(found, marked=marked)
        try:
            if self._regains_archives(found):
                write_marker(root, Marker(self.instance_id))
            adopt_store(root, self.instance_id, fresh_database=True, modes=modes)
        except MarkerMismatch as error:
            raise InvalidSettings(f"STORAGE_REPLICA_URL: {error.reason}") from error
        except OSError as error:
            raise StoreUnavailable(f"{root} cannot be made: {error.strerror}") from error
        return DiskStore(Places(root, modes=modes), self.instance_id)

    async def _open_bucket(self, address: RemoteAddress, *, marked: bool) -> ObjectStore:
        # Here, so that a store on disk waits for no client of buckets to be loaded.
        from media_analysis.files.buckets import buckets_of, is_one_place, open_bucket, require_deletion  # noqa: PLC0415
        from media_analysis.storage.remote.marker import read_marker as read_bucket_marker  # noqa: PLC0415
        from media_analysis.storage.remote.marker import write_marker as write_marker_to_bucket  # noqa: PLC0415

        async with open_bucket(address, self.instance_id, self.settings, PREFIX, Purpose.EVERYTHING) as (store, _):
            found = await read_bucket_marker(store.bucket)
            self._judge(found, marked=marked)
            if self.creates:
                await require_deletion(store, self.settings)
            if self._regains_archives(found):
                await write_marker_to_bucket(store.bucket, Marker(self.instance_id))
            try:
                await store.adopt(fresh_database=True)
            except MarkerMismatch as error:
                raise InvalidSettings(f"STORAGE_REPLICA_URL: {error.reason}") from error
            for own in buckets_of(self.beside):
                if await is_one_place(own, store):
                    raise InvalidSettings(_same_place(address, own.bucket.address))
        return store

    def _regains_archives(self, found: Marker | None) -> bool:
        """Say whether archives left a place by a move, to which they are copied like everything else from now on."""
        return self.creates and found is not None and found.archives_at is not None

    def _judge(self, found: Marker | None, *, marked: bool) -> None:
        """Return if a store with such a marker may be opened, or marked where it has none."""
        if found is not None and found.instance_id != self.instance_id:
            raise InvalidSettings(f"STORAGE_REPLICA_URL: the marker at {self.address} names another database")
        if found is not None and (found.is_filling or found.moved_to is not None):
            what = "fills" if found.is_filling else "left"
            raise InvalidSettings(
                f"STORAGE_REPLICA_URL is {self.address}, which a move {what}: name another place; where that move was "
                "given up, media-analysis store cancel opens what it left"
            )
        if found is None and marked:
            raise StoreUnavailable(f"the marker is missing; is the volume mounted? {NEW}")
        if found is None and not self.creates:
            raise StoreUnavailable("the place is not marked yet: no service was started on it")
