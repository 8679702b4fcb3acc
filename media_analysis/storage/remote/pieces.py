"""Objects that are gone on with: what comes of one is put in pieces, and they become the object when it is whole."""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import suppress

from media_analysis.errors import MediaAnalysisError, ObjectBusy, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.remote.assembling import Range, assemble, hash_ranges
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.deleting import delete_all
from media_analysis.storage.remote.marker import RemoteMarker
from media_analysis.storage.remote.names import piece_name
from media_analysis.storage.store import Piece, Running
from media_analysis.tracing import traced


class PieceWriter:
    """Goes on with an object behind what is durable of it, by pieces whose names say where they begin.

    Of two who go on with one object neither touches what the newer one put, however late what it sends arrives: names
    have a fence, and whose is lower leaves those with a higher one alone. What lies behind the bytes that count is
    removed by whoever goes on next. Two of one fence collide, and whoever comes second hears `ObjectBusy`.
    """

    def __init__(
        self,
        bucket: Bucket,
        marker: RemoteMarker,
        key: str,
        ranges: Sequence[Range],
        running: Running | None,
        *,
        fence: int,
    ) -> None:
        self.size_bytes = sum(size_bytes for _, size_bytes in ranges)
        self._bucket = bucket
        self._marker = marker
        self.key = key
        self._fence = fence
        self._ranges = list(ranges)
        self._kept = len(ranges)
        self._put_bytes = self.size_bytes
        # Without what the bytes before hash to, all of them are read once more at the end.
        self._hash: Running | None = running.copy() if running else None if ranges else hashlib.sha256()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._putting: asyncio.Task[None] | None = None
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    def expect(self, size_bytes: int) -> None:
        """Let it be: pieces are joined to parts of whatever size."""

    async def write(self, chunk: bytes) -> None:
        self._require_open()
        self._gathered.append(chunk)
        self._gathered_bytes += len(chunk)
        self.size_bytes += len(chunk)
        if self._gathered_bytes >= self._bucket.options.part_bytes:
            await self._begin_piece()

    def put(self, piece: Piece) -> None:
        asyncio.run_coroutine_threadsafe(self.write(bytes(piece)), self._loop).result()

    async def checkpoint(self) -> Running | None:
        self._require_open()
        await self._begin_piece()
        await self._settled()
        self._kept = len(self._ranges)
        return self._hash and self._hash.copy()

    @traced("store sync")
    async def sync(self) -> bytes:
        await self.checkpoint()
        if self._ranges == [(self.key, self.size_bytes)]:
            digest = await self._digest()  # it became the object before, and nothing came since
        elif await self._stands():
            digest = await self._require_same()
        else:
            known = self._hash.digest() if self._hash else None
            digest = await assemble(self._bucket, self.key, self._ranges, digest=known)
        failpoint("remote.assembled")
        pieces = [name for name, _ in self._ranges if name != self.key]
        await delete_all(self._bucket, pieces)  # what stays of them is found by age
        return digest

    async def revert(self) -> None:
        try:
            with suppress(MediaAnalysisError):  # of what could not be put nothing is left
                await self._settled()
            await delete_all(self._bucket, [name for name, _ in self._ranges[self._kept :]])
        finally:
            self.close()

    def close(self) -> None:
        self._is_closed = True
        self._gathered, self._gathered_bytes = [], 0

    async def _begin_piece(self) -> None:
        """Put what is gathered, while more is received."""
        await self._settled()
        if self._gathered:
            pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
            self._putting = asyncio.create_task(self._put_piece(pieces))
            self._putting.add_done_callback(_look)

    async def _settled(self) -> None:
        """Wait for the piece that is being put; raise why it, or one before it, could not be."""
        if self._putting is not None:
            await asyncio.shield(self._putting)

    async def _put_piece(self, pieces: Sequence[bytes]) -> None:
        await self._marker.require_recent()
        name, size_bytes = piece_name(self.key, self._put_bytes, self._fence), sum(map(len, pieces))
        hashing = asyncio.ensure_future(asyncio.to_thread(self._update, pieces))
        created = await self._bucket.create(name, pieces)
        await hashing
        if not created:
            raise ObjectBusy
        self._ranges.append((name, size_bytes))
        self._put_bytes += size_bytes
        failpoint("remote.piece_put")

    def _update(self, pieces: Sequence[bytes]) -> None:
        if self._hash is not None:
            for piece in pieces:
                self._hash.update(piece)

    async def _stands(self) -> bool:
        try:
            await self._bucket.head(self.key)
        except ObjectMissing:
            return False
        return True

    async def _require_same(self) -> bytes:
        """Return the SHA-256 of the object that stands there, if an earlier try made it of the same bytes."""
        size_bytes = (await self._bucket.head(self.key)).size_bytes
        digest = await self._digest()
        if size_bytes != self.size_bytes or await hash_ranges(self._bucket, [(self.key, size_bytes)]) != digest:
            raise StoreUnavailable("the name is taken")
        return digest

    async def _digest(self) -> bytes:
        return await hash_ranges(self._bucket, self._ranges) if self._hash is None else self._hash.digest()

    def _require_open(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("the object was closed while it was written")


def _look(putting: asyncio.Task[None]) -> None:
    """Look at what came of a piece, whether or not anybody waits; the loop reports as lost what nobody looked at."""
    if not putting.cancelled():
        putting.exception()
