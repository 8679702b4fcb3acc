"""The marker of a bucket: an object that says which database the store belongs to, as a disk's file does."""

import asyncio
import time
from contextlib import suppress
from typing import Final
from uuid import UUID

from media_analysis.errors import MarkerMismatch, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.marker import MARKER_NAME, MOST_BYTES, Marker, Purpose
from media_analysis.storage.remote.bucket import Bucket

RECENT_SECONDS: Final = 5.0


async def read_marker(bucket: Bucket) -> Marker | None:
    """Return the marker the store carries, None when there is none.

    Raises:
        MarkerMismatch: something that is not a marker stands in its place.
        StoreUnavailable: nobody can tell.

    """
    try:
        return Marker.parse(bytes(await bucket.get(MARKER_NAME, 0, MOST_BYTES)))
    except ObjectMissing:
        return None


class RemoteMarker:
    """The marker of a store, as one process knows it."""

    def __init__(self, bucket: Bucket, instance_id: UUID, purpose: Purpose) -> None:
        self._bucket = bucket
        self._instance_id = instance_id
        self._purpose = purpose
        self._seen_at = float("-inf")
        self._looking = asyncio.Lock()
        self._failed: str | None = None
        self._failed_at = float("-inf")

    async def require(self) -> None:
        """Fail unless the store belongs to this database and is there for this purpose, right now.

        Raises:
            MarkerMismatch: the marker is absent, names another database or says otherwise.
            StoreUnavailable: nobody can tell.

        """
        asked_at = time.monotonic()
        found = await read_marker(self._bucket)
        if found is None:
            raise MarkerMismatch(f"the marker of {self._bucket.address} is missing")
        found.require(self._instance_id, self._purpose, whose=f"the marker of {self._bucket.address}")
        self._seen_at = asked_at  # not when the answer came: a move counts from when its marker was written

    async def require_recent(self) -> None:
        """Fail unless it did a moment ago: enough for what adds, never for what deletes."""
        came_at = time.monotonic()
        async with self._looking:  # of many who want to know at once one looks
            if self._failed is not None and came_at < self._failed_at:
                raise StoreUnavailable(self._failed)  # found while this one waited: in turn they would wait for hours
            if time.monotonic() - self._seen_at > RECENT_SECONDS:
                await self._look()

    async def _look(self) -> None:
        self._failed = None
        try:
            await self.require()
        except StoreUnavailable as error:
            self._failed, self._failed_at = error.reason, time.monotonic()
            raise

    async def adopt(self, *, fresh_database: bool) -> None:
        """Make sure the store carries this database's marker, writing it only where both are new.

        Raises:
            MarkerMismatch: the store belongs to another database, holds objects nobody knows, lost its marker, or is
                not there for this purpose.
            StoreUnavailable: nobody can tell.

        """
        address = self._bucket.address
        if await read_marker(self._bucket) is None:
            if not fresh_database:
                raise MarkerMismatch(f"{address} carries no marker although the database knows files")
            async for page in self._bucket.pages(at_once=1):
                if await read_marker(self._bucket) is None:
                    raise MarkerMismatch(f"{address} is not empty and carries no marker: {page[0].name} lies there")
                break  # of several that begin at once another wrote it meanwhile
            await require_no_store_around(self._bucket)
            # Of several that begin at once the first writes it; the others read whose it is.
            await self._bucket.create(MARKER_NAME, Marker(self._instance_id).content())
            failpoint("marker.written")
        await self.require()


async def require_no_store_around(bucket: Bucket) -> None:
    """Fail if this would lie in another store, whose `verify` would take its objects for nobody's.

    Raises:
        MarkerMismatch: it would.

    """
    for address in bucket.address.ancestors:
        around = Bucket(address, bucket.options)
        try:
            with suppress(StoreUnavailable):  # whose credentials are for the prefix alone cannot ask
                if await read_marker(around) is not None:
                    raise MarkerMismatch(f"{bucket.address} lies inside {address}, which is a store already")
        finally:
            around.close()


async def write_marker(bucket: Bucket, marker: Marker) -> None:
    """Write a marker over the one that is there.

    Raises:
        StoreUnavailable: nobody knows whether it was written.

    """
    await bucket.overwrite(MARKER_NAME, marker.content())
