"""The marker of a bucket: an object that says which database the store belongs to, as a disk's file does."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Final
from uuid import UUID

from media_analysis.errors import MarkerMismatch, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.bucket import Bucket

RECENT_SECONDS: Final = 5.0
_MOST_BYTES: Final = 256


async def read_marker(bucket: Bucket) -> UUID | None:
    """Return the instance id the store carries, None when there is no marker.

    Raises:
        MarkerMismatch: something that is not a marker stands in its place.
        StoreUnavailable: nobody can tell.

    """
    try:
        found = await bucket.get(MARKER_NAME, 0, _MOST_BYTES)
        return UUID(str(json.loads(bytes(found))["instance_id"]))
    except ObjectMissing:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise MarkerMismatch(f"the marker cannot be read ({type(error).__name__})") from error


class RemoteMarker:
    """The marker of a store, as one process knows it."""

    def __init__(self, bucket: Bucket, instance_id: UUID) -> None:
        self._bucket = bucket
        self._instance_id = instance_id
        self._seen_at = float("-inf")
        self._looking = asyncio.Lock()

    async def require(self) -> None:
        """Fail unless the store belongs to this database, right now.

        Raises:
            MarkerMismatch: the marker is absent or names another database.
            StoreUnavailable: nobody can tell.

        """
        found = await read_marker(self._bucket)
        if found is None:
            raise MarkerMismatch(f"the marker of {self._bucket.address} is missing")
        if found != self._instance_id:
            raise MarkerMismatch(f"the marker of {self._bucket.address} names another database")
        self._seen_at = time.monotonic()

    async def require_recent(self) -> None:
        """Fail unless it did a moment ago: enough for what adds, never for what deletes."""
        async with self._looking:  # of many who want to know at once one looks
            if time.monotonic() - self._seen_at > RECENT_SECONDS:
                await self.require()

    async def adopt(self, *, fresh_database: bool) -> None:
        """Make sure the store carries this database's marker, writing it only where both are new.

        Raises:
            MarkerMismatch: the store belongs to another database, holds objects nobody knows, or lost its marker.
            StoreUnavailable: nobody can tell.

        """
        address = self._bucket.address
        if await read_marker(self._bucket) is None:
            if not fresh_database:
                raise MarkerMismatch(f"{address} carries no marker although the database knows files")
            async for page in self._bucket.pages(at_once=1):
                raise MarkerMismatch(f"{address} is not empty and carries no marker: {page[0].name} lies there")
            await self._require_no_store_around()
            # Of several that begin at once the first writes it; the others read whose it is.
            await self._bucket.create(MARKER_NAME, json.dumps({"instance_id": str(self._instance_id)}).encode())
            failpoint("marker.written")
        await self.require()

    async def _require_no_store_around(self) -> None:
        """Fail if this would lie in another store, whose `verify` would take its objects for nobody's."""
        for around in self._bucket.address.ancestors:
            bucket = Bucket(around, self._bucket.options)
            try:
                with suppress(StoreUnavailable):  # whose credentials are for the prefix alone cannot ask
                    if await read_marker(bucket) is not None:
                        raise MarkerMismatch(f"{self._bucket.address} lies inside {around}, which is a store already")
            finally:
                bucket.close()
