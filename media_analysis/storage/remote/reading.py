"""Reading objects of a bucket by ranges: only what is asked for is fetched, and a slow reader holds no connection."""

import asyncio
import io
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from media_analysis.errors import ObjectDamaged, StoreUnavailable
from media_analysis.storage.remote.bucket import Bucket

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FIRST_BYTES: Final = 2**20
"""Of the first range: whoever wants little is not made to wait for more."""
RANGE_BYTES: Final = 4 * 2**20
"""Of the others."""
AHEAD: Final = 2
"""How many are read ahead of a client who takes them faster than they come, while one is taken; of others it is one."""
CHUNK_BYTES: Final = 512 * 1024
"""Of what is handed on at once."""
MOST_AHEAD_BYTES: Final = 8 * 2**20
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
        ahead: deque[asyncio.Task[memoryview]] = deque()
        at = first_end = min(end, start + FIRST_BYTES)
        try:
            if start < end:
                ahead.append(self._fetch(start, at))
            while ahead:
                is_awaited = at > first_end and not ahead[0].done()
                chunk = await ahead.popleft()
                while at < end and len(ahead) < (AHEAD if is_awaited else 1):
                    ahead.append(self._fetch(at, min(end, at + RANGE_BYTES)))
                    at = min(end, at + RANGE_BYTES)
                for offset in range(0, len(chunk), CHUNK_BYTES):
                    yield chunk[offset : offset + CHUNK_BYTES]
        finally:
            for fetching in ahead:
                fetching.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)

    async def close(self) -> None:
        """Nothing is held."""

    def _fetch(self, start: int, end: int) -> asyncio.Task[memoryview]:
        return asyncio.create_task(fetch(self._bucket, self._key, start, end))


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
