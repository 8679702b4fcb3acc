"""Places that stores move from and to: opened by address, looked at, and marked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from media_analysis.errors import DiskFull, InvalidSettings, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.files.buckets import open_bucket, require_deletion
from media_analysis.files.opening import ARCHIVE_PREFIX
from media_analysis.settings import Settings
from media_analysis.settings.remote import StoreUrl
from media_analysis.storage import marker as disk_marker
from media_analysis.storage.calls import translate
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import Marker, Purpose
from media_analysis.storage.modes import make_root
from media_analysis.storage.places import Places
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.marker import RECENT_SECONDS, read_marker, require_no_store_around, write_marker
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.sites import Site, nesting
from media_analysis.storage.walk import QUARANTINE

MOVE_PREFIX: Final = "MOVE_"
"""What the variables begin with that say how the bucket is reached that the settings do not name."""


def parse_place(url: str) -> Site:
    """Read the address of a place.

    Raises:
        MoveRefused: it is none; what is said never repeats what may be a password in it.

    """
    try:
        site = StoreUrl().parse(url)
    except ValueError as error:
        raise MoveRefused(f"{error}; allowed: {StoreUrl().allowed}") from None
    return site.resolve() if isinstance(site, Path) else site


def url_of(site: Site) -> str:
    """Return the address of a place, as STORAGE_URL says it."""
    return StoreUrl().show(site)


def site_of(settings: Settings, part: Purpose) -> Site:
    """Return from where the settings serve a part of the store."""
    sites = settings.sites
    return sites.archives if part is Purpose.ARCHIVES and sites.archives is not None else sites.main


def require_apart(target: Site, settings: Settings) -> None:
    """Fail if a place is one that the settings name, lies in one, or has one in it.

    Raises:
        MoveRefused: it does.

    """
    replicas = settings.replica_site
    if replicas is not None and (replicas == target or nesting(target, replicas, "them")):
        raise MoveRefused(
            f"replicas lie at {url_of(replicas)}, and {url_of(target)} is no place apart: move to another one, or "
            "have replicas somewhere else first, or none by media-analysis replica end"
        )
    for site in (settings.sites.main, settings.sites.archives):
        if site == target:
            raise MoveRefused(f"{url_of(target)} is where the store, or its archives, lie already")
        if site is not None and nesting(target, site, "it"):
            raise MoveRefused(f"{url_of(target)} and {url_of(site)} lie one inside the other")


@dataclass(frozen=True)
class OpenPlace:
    """A directory or a bucket whose objects are moved; what its marker says is nobody's but a move's to change."""

    site: Site
    store: DiskStore | RemoteStore

    @property
    def url(self) -> str:
        return url_of(self.site)

    @property
    def marked_within_seconds(self) -> float:
        """How long others may go on as the marker said before."""
        return RECENT_SECONDS if isinstance(self.store, RemoteStore) else 0.0

    async def marker(self) -> Marker | None:
        """Return what the place says of itself, None where it says nothing.

        Raises:
            MarkerMismatch, StoreUnavailable: nobody can tell.

        """
        if isinstance(self.store, RemoteStore):
            return await read_marker(self.store.bucket)
        return await asyncio.to_thread(disk_marker.read_marker, self.store.root)

    async def mark(self, marker: Marker) -> None:
        """Let the place say something else of itself, durably.

        Raises:
            MoveRefused: it has no room for that.
            StoreUnavailable: nobody knows whether it does.

        """
        try:
            if isinstance(self.store, RemoteStore):
                await write_marker(self.store.bucket, marker)
            else:
                await self._mark_disk(self.store.root, marker)
        except DiskFull as error:
            raise MoveRefused(f"{self.url} is full, and cannot be marked: make room there, and say it again") from error

    async def _mark_disk(self, root: Path, marker: Marker) -> None:
        try:
            await asyncio.to_thread(disk_marker.write_marker, root, marker)
        except OSError as error:
            told = translate(error)
            if isinstance(told, StoreUnavailable):
                told = StoreUnavailable(f"the marker of {root} cannot be written: {error.strerror}")
            raise told from error

    async def require_unused(self) -> None:
        """Fail unless nothing lies in the place, and it lies in no store.

        Raises:
            MoveRefused, MarkerMismatch: something does, or it does.
            StoreUnavailable: nobody can tell.

        """
        if isinstance(self.store, RemoteStore):
            await require_no_store_around(self.store.bucket)
            async for page in self.store.bucket.pages(at_once=1):
                raise MoveRefused(f"{self.site} is not empty: {page[0].name} lies there")
        elif not await asyncio.to_thread(disk_marker.is_unused, self.store.root):
            raise MoveRefused(f"{self.site} is not empty")

    async def require_emptied(self) -> None:
        """Fail if anything lies in the place but what a store has from the start; empty folders do not count.

        Raises:
            MoveRefused: something does.
            StoreUnavailable: nobody can tell.

        """
        async for page in self.store.walk(1):
            if page:
                raise MoveRefused(f"{self.site} is not empty: {page[0].name} lies there")
        if await self.store.list_quarantine_days():
            raise MoveRefused(f"{self.site} is not empty: {QUARANTINE} has something")


async def make_place(site: Site, settings: Settings) -> None:
    """Make the directory that is to be a place; a bucket is there already.

    Raises:
        MoveRefused: it cannot be made.

    """
    if isinstance(site, Path):
        try:
            await asyncio.to_thread(make_root, site, settings.sites.modes)
        except OSError as error:
            raise MoveRefused(f"{site} cannot be made: {error.strerror}") from error


@asynccontextmanager
async def open_place(site: Site, instance_id: UUID, settings: Settings) -> AsyncIterator[OpenPlace]:
    """Open a place for a move, whatever its marker says of its use, and close it.

    Raises:
        InvalidSettings: what the provider's variables say makes no sense.
        StoreUnavailable: a bucket does not answer, or not to these credentials.

    """
    if isinstance(site, RemoteAddress):
        async with open_bucket(site, instance_id, settings, _prefix_of(site, settings), Purpose.MOVING) as (bucket, _):
            yield OpenPlace(site, bucket)
            bucket.close()
        return
    if not await asyncio.to_thread(site.is_dir):
        raise StoreUnavailable(f"{site} is no directory; is its volume mounted?")
    disk = DiskStore(Places(site, modes=settings.sites.modes), instance_id, Purpose.MOVING)
    try:
        yield OpenPlace(site, disk)
    finally:
        disk.close()


def _prefix_of(site: Site, settings: Settings) -> str:
    if site == settings.sites.main:
        return ""
    return ARCHIVE_PREFIX if site == settings.sites.archives else MOVE_PREFIX


async def require_fit(target: OpenPlace, settings: Settings, needed_bytes: int) -> None:
    """Fail unless a place deletes what is deleted, and has room for so many bytes.

    Raises:
        MoveRefused: it has not.
        InvalidSettings: it keeps what is deleted, and nobody said that it may.

    """
    if isinstance(target.store, RemoteStore):
        try:
            await require_deletion(target.store, settings)
        except InvalidSettings as error:
            raise MoveRefused(str(error)) from error
        return
    free_bytes = (await target.store.capacity()).free_bytes - settings.storage.monitoring.reserve_bytes
    if free_bytes < needed_bytes:
        raise MoveRefused(
            f"{target.site} has room for {max(0, free_bytes)} bytes beside the reserve, and {needed_bytes} are to be "
            "copied"
        )
