"""Trees that are no directory: what lies in a bucket below a prefix, read from there and left as it is."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from media_analysis.errors import InvalidRequest, InvalidSettings, MarkerMismatch, ObjectMissing, StoreUnavailable
from media_analysis.errors.operations import SourceUnavailable
from media_analysis.files.buckets import options_of
from media_analysis.settings import Settings
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.marker import read_marker
from media_analysis.storage.remote.names import is_path
from media_analysis.storage.remote.sources import RemoteSource, is_same_object
from media_analysis.storage.remote.store import RemoteStore

IMPORT_PREFIX: Final = "IMPORT_"
"""What the variables begin with that say how the bucket is reached, where it is not reached as the store's is."""
_PAGE: Final = 1000
_FEW: Final = 8


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

    async def find_place(self, instance_id: UUID, own: Sequence[RemoteStore]) -> RemoteAddress | None:
        """Return the place of this database's that it is, or lies in; None where it lies apart.

        It is known by the marker, and a place that is open here by an object that both have: credentials for the tree
        alone are shown no marker around it, and a server has more names than one.

        Raises:
            InvalidRequest: such a place lies inside it.
            SourceUnavailable: the bucket does not answer, or not to these credentials.
            StoreUnavailable: the place does not answer.

        """
        for around in (self.address, *self.address.ancestors):
            if await self._is_ours(around, instance_id):
                return around
        for store in own:
            if await self._lies_in(store.bucket):
                return store.bucket.address
        async for page in self.walk(_PAGE):
            for entry in page:
                folder, _, name = entry.name.rpartition("/")
                if name == MARKER_NAME and await self._has_marker_of(entry, folder, instance_id, own):
                    raise InvalidRequest("DIR", f"the store lies inside it, at {self._below(folder)}")
        return None

    async def _lies_in(self, place: Bucket) -> bool:
        if not (self.address == place.address or self.address.is_below(place.address)):
            return False
        prefix = self.address.prefix_below(place.address)
        async for page in self.walk(_FEW):  # one may have gone meanwhile
            return any([await _has(place, f"{prefix}{entry.name}", entry) for entry in page])
        return False

    async def _has_marker_of(self, entry: Entry, folder: str, instance_id: UUID, own: Sequence[RemoteStore]) -> bool:
        address = self._below(folder)
        inside = [store.bucket for store in own if store.bucket.address == address]
        return await self._is_ours(address, instance_id) or any([await _has(it, MARKER_NAME, entry) for it in inside])

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


async def _has(place: Bucket, key: str, listed: Entry) -> bool:
    """Say whether a bucket has the very object of a listing."""
    if listed.kind is not EntryKind.FILE:
        return False
    try:
        return is_same_object(await place.head(key), listed)
    except ObjectMissing:
        return False


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
