"""What an object in a store hashes to, read from its beginning to its end."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from media_analysis.storage.store import ObjectStore

DIFFERS: Final = "hash differs"
"""How it is said of an object that it does not hash to what its row says."""
INLINE_BYTES: Final = 64 * 1024
"""Hashing less than this costs less than asking a thread for it."""
Pace = Callable[[int], Awaitable[None]]
"""Is told how many bytes were read, and returns when more may be."""


class StreamHash:
    """A SHA-256 in the making, by a thread where that pays."""

    def __init__(self) -> None:
        self._running = hashlib.sha256()

    async def update(self, chunk: bytes) -> None:
        """Take more bytes in."""
        if len(chunk) < INLINE_BYTES:
            self._running.update(chunk)
        else:
            await asyncio.to_thread(self._running.update, chunk)

    def value(self) -> bytes:
        """Return what all of them hash to."""
        return self._running.digest()


async def read_whole(store: ObjectStore, key: str, *, size_bytes: int) -> AsyncGenerator[bytes]:
    """Yield an object's bytes; raises as `ObjectStore.open` where it is not what its row says."""
    reader = await store.open(key, size_bytes=size_bytes)
    async with aclosing(reader.read(0, reader.size_bytes)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            yield chunk


async def hash_object(store: ObjectStore, key: str, *, size_bytes: int, pace: Pace | None = None) -> bytes:
    """Return the SHA-256 of an object; raises as `ObjectStore.open` where it is not what its row says."""
    digest = StreamHash()
    async with aclosing(read_whole(store, key, size_bytes=size_bytes)) as chunks:
        async for chunk in chunks:
            await digest.update(chunk)
            if pace is not None:
                await pace(len(chunk))
    return digest.value()
