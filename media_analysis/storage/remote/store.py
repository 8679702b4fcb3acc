"""The store in a bucket: keys used once, objects that are there whole or not at all, deletions in bulk."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Self, cast
from uuid import UUID

from media_analysis.errors import MediaAnalysisError, StoreUnavailable
from media_analysis.errors.operations import NameRefused
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import reason_of
from media_analysis.storage.marker import Purpose
from media_analysis.storage.presented import Presented
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket, require_size
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.deleting import delete_all, find_pieces
from media_analysis.storage.remote.leftovers import Leftovers
from media_analysis.storage.remote.marker import RemoteMarker
from media_analysis.storage.remote.names import PROBE_NAME, is_path, key_of_piece
from media_analysis.storage.remote.pieces import PieceWriter
from media_analysis.storage.remote.presigning import presigner_to
from media_analysis.storage.remote.reading import RemoteFile, RemoteReader
from media_analysis.storage.remote.resuming import find_ranges
from media_analysis.storage.remote.scratch import BorrowedObject, Scratch
from media_analysis.storage.remote.streaming import Streams
from media_analysis.storage.remote.tree import RemoteTree
from media_analysis.storage.remote.writing import RemoteWriter, put_whole
from media_analysis.storage.store import ENDLESS, Capacity, DeleteOutcome, ObjectReader, ObjectWriter, Running
from media_analysis.tracing import traced

CLOSE_SECONDS: Final = 10.0


class RemoteStore(RemoteTree):
    """Objects in a bucket, each under its key below the address; the bucket is there already.

    What it cannot promise as a disk does: an object that is deleted is not readable any more by whoever opened it
    before; a name that is taken is found when the object is put, not when it is created; a put that was given up by
    its caller may land later, so that what was abandoned is deleted once more after a day.
    """

    keeps_what_is_open = False

    def __init__(
        self,
        bucket: Bucket,
        instance_id: UUID,
        purpose: Purpose = Purpose.EVERYTHING,
        *,
        scratch: Scratch | None = None,
    ) -> None:
        super().__init__(bucket, RemoteMarker(bucket, instance_id, purpose))
        self.instance_id = instance_id
        self._leftovers = Leftovers(bucket)
        self._streams = Streams(bucket)
        self.scratch = scratch or Scratch(bucket.options)
        """Where local copies lie, which two stores of one process share."""
        self.presigner = presigner_to(bucket.address, bucket.options)
        """What signs addresses of objects, None where nothing can."""

    @classmethod
    def at(
        cls,
        address: RemoteAddress,
        instance_id: UUID,
        options: RemoteOptions,
        purpose: Purpose = Purpose.EVERYTHING,
        *,
        scratch: Scratch | None = None,
    ) -> Self:
        """Return the store at an address; nothing is asked of the bucket yet.

        Raises:
            ValueError: what the options say of the provider makes no sense.

        """
        return cls(Bucket(address, options), instance_id, purpose, scratch=scratch)

    @property
    def largest_bytes(self) -> int:
        return self.bucket.largest_bytes

    async def adopt(self, *, fresh_database: bool) -> None:
        """Make sure the bucket carries this database's marker, writing it only where both are new.

        Raises:
            MarkerMismatch: the store belongs to another database, holds objects nobody knows, or lost its marker.
            StoreUnavailable: nobody can tell.

        """
        await self.marker.adopt(fresh_database=fresh_database)
        await self.scratch.delete_leftovers()

    def close(self) -> None:
        self._streams.close(within_seconds=CLOSE_SECONDS)
        self.bucket.close()
        self.scratch.close()

    def sign_address(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        return None if self.presigner is None else self.presigner.sign(key, presented, ends_at=ends_at)

    async def require_marker(self) -> None:
        await self.marker.require()

    @traced("store create_many")
    async def create_many(self, keys: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
        """Return a writer for each key, and ask the bucket nothing: that a name is taken is found when it is put."""
        return [
            RemoteWriter(self.bucket, self.marker, self._streams, key) if self.bucket.takes(key) else _refused()
            for key in keys
        ]

    @traced("store put_many")
    async def put_many(
        self, objects: Sequence[tuple[str, bytes]], *, leaving_bytes: int
    ) -> Sequence[bytes | Exception]:
        del leaving_bytes  # of what has no end
        await self.marker.require_recent()
        return await self.bucket.each(lambda item: self._put(*item), objects)

    @traced("store resume")
    async def resume(self, key: str, *, size_bytes: int, running: Running | None, fence: int = 0) -> ObjectWriter:
        await self.marker.require_recent()
        ranges = await find_ranges(self.bucket, key, size_bytes, fence=fence)
        return PieceWriter(self.bucket, self.marker, key, ranges, running, fence=fence)

    @traced("store write_many")
    async def write_many(self, written: Sequence[tuple[ObjectWriter, bytes]]) -> Sequence[bytes | Exception]:
        return await self.bucket.each(lambda item: _write_whole(*item), written)

    @traced("store open")
    async def open(self, key: str, *, size_bytes: int | None) -> ObjectReader:
        entry = require_size(await self.bucket.find(key), key, size_bytes)
        return RemoteReader(self.bucket, key, entry.size_bytes)

    @traced("store require")
    async def require(self, key: str, *, size_bytes: int) -> None:
        require_size(await self.bucket.find(key), key, size_bytes)

    @traced("store read")
    async def read(self, key: str, *, size_bytes: int) -> bytes:
        # By a byte more than there should be, an object that is longer shows; an empty range cannot be asked for.
        content = bytes(await self.bucket.get(key, 0, size_bytes + 1) if size_bytes else b"")
        if len(content) != size_bytes or not size_bytes:
            require_size(await self.bucket.find(key), key, size_bytes)
        return content

    def open_file(self, key: str, *, size_bytes: int | None) -> BinaryIO:
        entry = require_size(self.bucket.find_here(key), key, size_bytes)
        return cast("BinaryIO", RemoteFile(self.bucket, key, entry.size_bytes))

    def local_copies(self, objects: Sequence[tuple[str, int]]) -> AbstractAsyncContextManager[Sequence[Path]]:
        return self.scratch.lend([BorrowedObject(self.bucket, *wanted) for wanted in objects])

    @traced("store delete_many")
    async def delete_many(self, keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        """Delete objects, and pieces of those that are not whole; absent ones count as gone while the marker stands.

        `overwrite` changes nothing: a bucket has no way to write over bytes, and a second object under the same name
        leaves those of the first where they were. When they go is the provider's to say, and whether older versions,
        replicas or backups of the bucket keep them; `warnings` tells what is known of that. Who needs more encrypts
        with a key of their own that they destroy.
        """
        del overwrite
        if not keys:
            return DeleteOutcome([])
        _, pieces, _ = await asyncio.gather(self.marker.require(), find_pieces(self.bucket, keys), self.examine_again())
        failpoint("remote.deleting")
        askable = [key for key in keys if is_path(key)]  # a disk of which this is the replica has other names, too
        failed = dict(await delete_all(self.bucket, [*askable, *pieces]))
        for piece in pieces:
            if piece in failed:
                failed.setdefault(key_of_piece(piece), failed.pop(piece))
        return DeleteOutcome([key for key in keys if key not in failed], failed)

    def abandoned(self, before: datetime) -> AsyncIterator[Sequence[str]]:
        """Yield keys of which pieces or parts are left that nobody has added to since `before`, some at a time.

        Memory stays flat, and a key may come twice. Who ends them by `abort` asks first whether they have a row.
        """
        return self._leftovers.find(before)

    async def abort(self, keys: Sequence[str]) -> DeleteOutcome:
        """Delete the pieces and parts of objects that were never whole; those that are whole stay."""
        await self.marker.require()
        failed = dict(await self._leftovers.delete(keys))
        return DeleteOutcome([key for key in keys if key not in failed], failed)

    async def warnings(self) -> Sequence[str]:
        return (await self.examine()).warnings(self.bucket.address)

    async def require_writable(self) -> None:
        lacks = "the store cannot be written"
        try:
            await self.bucket.overwrite(PROBE_NAME, b"")
            lacks = "nothing can be deleted from the store"
            await self.bucket.delete([PROBE_NAME])
        except MediaAnalysisError as error:
            raise StoreUnavailable(f"{lacks}: {reason_of(error)}") from error

    async def capacity(self, key: str = "") -> Capacity:
        del key  # quotas alone bound what a bucket takes
        return ENDLESS

    async def _put(self, key: str, content: bytes) -> bytes | Exception:
        if not self.bucket.takes(key):
            return _refused()
        try:
            return await put_whole(self.bucket, key, [content])
        except MediaAnalysisError as error:
            return error


def _refused() -> NameRefused:
    return NameRefused("no object of a bucket has such a name")


async def _write_whole(writer: ObjectWriter, content: bytes) -> bytes | Exception:
    try:
        await writer.write(content)
        return await writer.sync()
    except MediaAnalysisError as error:
        return error
    finally:
        writer.close()
