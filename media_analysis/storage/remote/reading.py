"""Reading objects of a bucket by ranges: only what is asked for is fetched, and a slow reader holds no connection."""

import asyncio
import io
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from media_analysis.errors import ObjectDamaged, StoreUnavailable
from media_analysis.storage.remote.bucket import Bucket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES: Final = 768 * 1024
"""Of what is handed on at once: each piece wakes the loop and its client, and of smaller ones there are more."""
AHEAD_PIECES: Final = 4
"""How many are held for a client who takes them more slowly than they come."""
AHEAD_BYTES: Final = AHEAD_PIECES * PIECE_BYTES
"""Of one request, until its client has shown to be fast: all of it can be held, and the connection ends with it."""
STREAM_BYTES: Final = 256 * 2**20
"""Of one request then."""
HELD_SECONDS: Final = 1.0
"""How long a connection waits for a client, and within what a fast one takes half of what is held."""
FIRST_BYTES: Final = 2**20
MOST_AHEAD_BYTES: Final = 8 * 2**20
"""Of the first and the largest range of what is read as a file."""
ATTEMPTS: Final = 4
"""How often a range is asked for whose connection breaks; obstore repeats what fails before the first byte."""
PAUSE_SECONDS: Final = 0.2


class RemoteReader:
    """One object, looked at when it was opened.

    It is not readable any more once it is deleted: what is asked for then fails, and never ends early in silence.
    """

    def __init__(self, bucket: Bucket, key: str, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._bucket = bucket
        self._key = key

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        async with aclosing(self.regions(start, end)) as pieces:
            async for piece in pieces:
                yield bytes(piece)

    async def regions(self, start: int, end: int) -> AsyncGenerator[memoryview]:
        end = min(end, self.size_bytes)
        if start >= end:
            return
        if end - start <= PIECE_BYTES:
            yield await fetch(self._bucket, self._key, start, end)
            return
        ahead = _Ahead()
        reading = asyncio.create_task(self._read_ahead(ahead, start, end))
        try:
            while (piece := await ahead.take()) is not None:
                yield piece
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def close(self) -> None:
        """Nothing is held."""

    async def _read_ahead(self, ahead: "_Ahead", start: int, end: int) -> None:
        is_fast = False
        try:
            while start < end:
                upto = min(end, start + (STREAM_BYTES if is_fast else AHEAD_BYTES))
                async with aclosing(_stream(self._bucket, self._key, start, upto)) as pieces:
                    async for piece in pieces:
                        ahead.put(piece)
                        start += len(piece)
                        if start < upto and not await ahead.shrinks_soon(AHEAD_PIECES - 1):
                            is_fast = False
                            break
                if not is_fast:
                    # The next request is on its way while the rest of this one is sent.
                    is_fast = await ahead.shrinks_soon(AHEAD_PIECES // 2)
                if not is_fast:
                    await ahead.shrinks(0)
        finally:
            ahead.put(None)


class _Ahead:
    """What was read of an object and is yet to be taken, in order."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[memoryview | None] = asyncio.Queue()
        self._taken = asyncio.Event()

    def put(self, piece: memoryview | None) -> None:
        """Add a piece; None is the end."""
        self._pieces.put_nowait(piece)

    async def take(self) -> memoryview | None:
        """Return the next piece once it is there; None is the end."""
        piece = await self._pieces.get()
        self._taken.set()
        return piece

    async def shrinks(self, most: int) -> None:
        """Wait until no more than `most` pieces are left."""
        while self._pieces.qsize() > most:
            self._taken.clear()
            await self._taken.wait()

    async def shrinks_soon(self, most: int) -> bool:
        """Wait for that as long as a connection may; say whether it came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD_SECONDS):
                await self.shrinks(most)
                return True
        return False


async def _stream(bucket: Bucket, key: str, start: int, end: int) -> AsyncGenerator[memoryview]:
    """Yield the bytes of a range as they come, all of them, asked for again from where a connection breaks.

    Raises:
        ObjectMissing, ObjectDamaged, StoreUnavailable: they are not to be had.

    """
    waits = pauses(bucket)
    while start < end:
        try:
            async with aclosing(bucket.stream(key, start, end, PIECE_BYTES)) as pieces:
                async for piece in pieces:
                    start += len(piece)
                    yield piece
                    waits = pauses(bucket)
        except StoreUnavailable:
            pause = next(waits, None)
            if pause is None:
                raise
            await asyncio.sleep(pause)
        else:
            if start < end:
                raise ObjectDamaged(key, f"it ends after {start} bytes")


async def fetch(bucket: Bucket, key: str, start: int, end: int) -> memoryview:
    """Return the bytes of a range, all of them, asked for again where a connection breaks.

    Raises:
        ObjectMissing, ObjectDamaged, StoreUnavailable: they are not to be had.

    """
    for pause in pauses(bucket):
        try:
            return _whole(await bucket.get(key, start, end), key, start, end)
        except StoreUnavailable:
            await asyncio.sleep(pause)
    return _whole(await bucket.get(key, start, end), key, start, end)


def pauses(bucket: Bucket) -> Iterator[float]:
    """Yield how long to wait before each further attempt, as long as there may be one."""
    ends_at = time.monotonic() + bucket.options.retry_seconds
    for attempt in range(ATTEMPTS - 1):
        if time.monotonic() < ends_at:
            yield PAUSE_SECONDS * 2**attempt


def _whole(content: memoryview, key: str, start: int, end: int) -> memoryview:
    if len(content) != end - start:
        raise ObjectDamaged(key, f"its bytes from {start} to {end} are {len(content)}")
    return content


def fetch_here(bucket: Bucket, key: str, start: int, end: int) -> memoryview:
    """Do what `fetch` does, from a thread."""
    for pause in pauses(bucket):
        try:
            return _whole(bucket.get_here(key, start, end), key, start, end)
        except StoreUnavailable:
            time.sleep(pause)
    return _whole(bucket.get_here(key, start, end), key, start, end)


class RemoteFile(io.RawIOBase):
    """One object as a file that can be sought, for a thread; what is read on and on is fetched in growing ranges."""

    def __init__(self, bucket: Bucket, key: str, size_bytes: int) -> None:
        super().__init__()
        self._bucket = bucket
        self._key = key
        self._size_bytes = size_bytes
        self._at = 0
        self._window = memoryview(b"")
        self._window_at = 0
        self._ahead_bytes = FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a position before the object's first byte")
        self._at = base + offset
        return self._at

    def readinto(self, target: "WriteableBuffer", /) -> int:
        memory = memoryview(target).cast("B")
        if self._at >= self._size_bytes or not len(memory):
            return 0
        if not self._window_at <= self._at < self._window_at + len(self._window):
            self._fill(len(memory))
        first = self._at - self._window_at
        piece = self._window[first : first + len(memory)]
        memory[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fill(self, wanted_bytes: int) -> None:
        goes_on = bool(self._window) and self._at == self._window_at + len(self._window)
        self._ahead_bytes = min(2 * self._ahead_bytes, MOST_AHEAD_BYTES) if goes_on else FIRST_BYTES
        self._window = memoryview(b"")  # before the next: both at once would be too much
        end = min(self._size_bytes, self._at + max(self._ahead_bytes, min(wanted_bytes, MOST_AHEAD_BYTES)))
        self._window = fetch_here(self._bucket, self._key, self._at, end)
        self._window_at = self._at
