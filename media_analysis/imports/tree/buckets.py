"""Trees that are no directory: what lies in a bucket below a prefix, read from there and left as it is."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from media_analysis.errors import InvalidRequest, InvalidSettings, MarkerMismatch, StoreUnavailable
from media_analysis.errors.operations import SourceUnavailable
from media_analysis.files.buckets import options_of
from media_analysis.settings import Settings
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.marker import read_marker
from media_analysis.storage.remote.names import is_path
from media_analysis.storage.remote.sources import RemoteSource

IMPORT_PREFIX: Final = "IMPORT_"
"""What the variables begin with that say how the bucket is reached, where it is not reached as the store's is."""
_PAGE: Final = 1000


@dataclass(frozen=True)
class BucketTree:
    """What lies below an address; nothing is ever put or deleted there."""

    bucket: Bucket

    @property
    def address(self) -> RemoteAddress:
        return self.bucket.address

    async def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        """Yield its objects in pages; empty ones whose names end in a slash stand for folders, and are left out.

        Raises:
            SourceUnavailable: the bucket does not answer, or not to these credentials.

        """
        with _told_of(self.address):
            async for page in self.bucket.pages(at_once=at_once):
                if found := [_readable(entry) for entry in page if entry.size_bytes or not _is_folder(entry.name)]:
                    yield found

    def open(self, entry: Entry) -> RemoteSource:
        return RemoteSource(self.bucket, entry)

    async def require_answer(self) -> None:
        """Fail if it is not single objects that cannot be read, but the bucket.

        Raises:
            SourceUnavailable: it is.

        """
        async for _ in self.walk(1):
            return

    async def require_apart(self, instance_id: UUID) -> None:
        """Fail if it is a place of this database's store, lies in one, or has one in it: known by their markers.

        Raises:
            InvalidRequest: it does.
            SourceUnavailable: the bucket does not answer, or not to these credentials.

        """
        if await self._is_ours(self.address, instance_id):
            raise InvalidRequest("DIR", "it is the store")
        for around in self.address.ancestors:
            if await self._is_ours(around, instance_id):
                raise InvalidRequest("DIR", "it lies in the store")
        async for page in self.walk(_PAGE):
            for entry in page:
                folder, _, name = entry.name.rpartition("/")
                if name == MARKER_NAME and await self._is_ours(self._below(folder), instance_id):
                    raise InvalidRequest("DIR", f"the store lies inside it, at {self._below(folder)}")

    async def _is_ours(self, address: RemoteAddress, instance_id: UUID) -> bool:
        place = Bucket(address, self.bucket.options)
        try:
            marker = await read_marker(place)
        except (MarkerMismatch, StoreUnavailable):  # whose credentials are for the prefix alone cannot ask around it
            return False
        finally:
            place.close()
        return marker is not None and marker.instance_id == instance_id

    def _below(self, folder: str) -> RemoteAddress:
        return replace(self.address, prefix=self.address.full_key(folder))


@asynccontextmanager
async def open_tree(address: RemoteAddress, settings: Settings) -> AsyncIterator[BucketTree]:
    """Open what lies below an address, with the provider's variables behind `IMPORT_` or without.

    Raises:
        InvalidSettings: what they say makes no sense.

    """
    try:
        bucket = Bucket(address, options_of(settings, IMPORT_PREFIX))
    except ValueError as error:
        raise InvalidSettings(str(error)) from error
    try:
        yield BucketTree(bucket)
    finally:
        bucket.close()


def _is_folder(name: str) -> bool:
    return not name or name.endswith("/")


def _readable(entry: Entry) -> Entry:
    if is_path(entry.name):
        return entry
    return Entry(entry.name, EntryKind.UNREADABLE, reason="the name is no path")


@contextmanager
def _told_of(address: RemoteAddress) -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise SourceUnavailable(str(address), error.reason) from None
