"""New objects in a bucket: put whole at the end while they are small, streamed in parts once they are not."""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from media_analysis.errors import StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import uncancelled
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.marker import RemoteMarker
from media_analysis.storage.remote.streaming import Stream, Streams
from media_analysis.storage.store import Piece, Running
from media_analysis.tracing import traced

SINGLE_BYTES: Final = 8 * 2**20
"""What an object may have to be put by one request, which takes no name that is taken."""
HANDED_BYTES: Final = 2**20
"""What is gathered before a stream is given it."""
_INLINE_BYTES: Final = 128 * 1024
"""What is hashed faster than a thread is asked to."""


class RemoteWriter:
    """One new object; the bucket hears of it by `sync`, or once it has more than one request carries.

    Nothing of it is there before `sync` ends: parts on their way are nobody's object, and gone soon after `close`. It
    cannot be made durable on the way: what is to be gone on with is written by what `resume` returns.
    """

    def __init__(self, bucket: Bucket, marker: RemoteMarker, streams: Streams, key: str) -> None:
        self.size_bytes = 0
        self._bucket = bucket
        self._marker = marker
        self._streams = streams
        self.key = key
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._stream: Stream | None = None
        self._taken: Future[None] | None = None
        self._is_closed = False
        self._part_bytes = bucket.options.part_bytes

    def expect(self, size_bytes: int) -> None:
        self._part_bytes = self._bucket.part_bytes_for(size_bytes)

    async def write(self, chunk: bytes) -> None:
        if self._gather(chunk):
            if self._taken is not None:
                # The stream settles it whether or not anybody waits.
                await asyncio.shield(asyncio.wrap_future(self._taken))
            self._hand_over()

    def put(self, piece: Piece) -> None:
        if self._gather(bytes(piece)):  # the memory is the caller's again
            if self._taken is not None:
                self._taken.result()
            self._hand_over()

    async def checkpoint(self) -> Running | None:
        raise StoreUnavailable("a new object in a bucket is durable as a whole alone")

    @traced("store sync")
    async def sync(self) -> bytes:
        self._require_open()
        await self._marker.require_recent()
        self._is_closed = True
        if self._stream is not None:
            self._hand_over()
            return await self._stream.finish()
        return await put_whole(self._bucket, self.key, self._take())

    async def revert(self) -> None:
        self.close()

    def close(self) -> None:
        self._is_closed = True
        self._take()
        if self._stream is not None:
            self._stream.abort()

    def _gather(self, piece: bytes) -> bool:
        """Keep a piece; say whether there is enough to hand over."""
        self._require_open()
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        self.size_bytes += len(piece)
        if self.size_bytes > (largest_bytes := self._bucket.most_bytes_in(self._part_bytes)):
            raise StoreUnavailable(f"an object here has at most {largest_bytes} bytes")
        return self._gathered_bytes > (SINGLE_BYTES if self._stream is None else HANDED_BYTES)

    def _hand_over(self) -> None:
        if self._stream is None:
            self._stream = self._streams.begin(self.key, part_bytes=self._part_bytes)
        self._taken = self._stream.give(self._take())

    def _take(self) -> list[bytes]:
        pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
        return pieces

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the object was closed while it was written")
        if self._stream is not None and self._stream.done.done():
            self._stream.done.result()


async def put_whole(bucket: Bucket, key: str, pieces: Sequence[bytes]) -> bytes:
    """Put a new object by one request, and return its SHA-256.

    Raises:
        StoreUnavailable: its name is taken, or nobody knows whether it was put.

    """
    failpoint("remote.putting")
    putting = asyncio.ensure_future(bucket.create(key, pieces))
    try:
        digest = await _hash_of(pieces)
    finally:
        created = await uncancelled(putting)
    failpoint("remote.put")
    if not created:
        raise StoreUnavailable("the name is taken")
    return digest


async def _hash_of(pieces: Sequence[bytes]) -> bytes:
    if sum(map(len, pieces)) > _INLINE_BYTES:
        return await asyncio.to_thread(_hash_here, pieces)
    return _hash_here(pieces)


def _hash_here(pieces: Sequence[bytes]) -> bytes:
    running = hashlib.sha256()
    for piece in pieces:
        running.update(piece)
    return running.digest()
