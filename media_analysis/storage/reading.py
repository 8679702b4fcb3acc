"""Reading objects that are open: pieces that a thread reads, and regions that the kernel sends without reading."""

import os
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Self

from aiofiles.threadpool.binary import AsyncBufferedReader

READ_BYTES: Final = 256 * 1024
FAST_READ_BYTES: Final = 2**20
"""For whoever took the first `FAST_AFTER_BYTES`: the others, who may be many and slow, hold no more than they need."""
FAST_AFTER_BYTES: Final = 4 * 2**20
REGION_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class FileRegion:
    """Bytes of an open file from `start` up to, not including, `end`."""

    descriptor: int
    start: int
    end: int
    threads: Executor
    """Where it is sent: the disk may have to be waited for."""

    def __len__(self) -> int:
        return self.end - self.start

    def duplicate(self) -> Self:
        """Return the same with a descriptor of its own, which whoever asks for it closes."""
        return type(self)(os.dup(self.descriptor), self.start, self.end, self.threads)

    def after(self, count: int) -> Self:
        """Return what is left when `count` bytes are sent."""
        return type(self)(self.descriptor, self.start + count, self.end, self.threads)

    def send(self, target: int) -> int:
        """Send as much as a socket takes without waiting for its client, and return how much; 0 where the file ends.

        Raises:
            OSError: it takes nothing for now (EAGAIN), or nothing any more; or the disk does not answer.

        """
        return os.sendfile(target, self.descriptor, self.start, len(self))

    def close(self) -> None:
        os.close(self.descriptor)


Sendable = bytes | memoryview | FileRegion
"""What goes to a client as it is."""


@dataclass(frozen=True)
class DiskReader:
    """An open file, read in pieces off the event loop."""

    file: AsyncBufferedReader
    size_bytes: int
    threads: Executor

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        try:
            await self.file.seek(start)
            fast_from = start + FAST_AFTER_BYTES
            while start < end:
                most = READ_BYTES if start < fast_from else FAST_READ_BYTES
                chunk = await self.file.read(min(most, end - start))
                if not chunk:
                    break
                start += len(chunk)
                yield chunk
        finally:
            await self.close()

    async def regions(self, start: int, end: int) -> AsyncIterator[Sendable]:
        try:
            await self.file.seek(start)
            first = await self.file.read(min(READ_BYTES, end - start))
            if first:
                yield first
                for at in range(start + len(first), end, REGION_BYTES):
                    yield FileRegion(self.file.fileno(), at, min(end, at + REGION_BYTES), self.threads)
        finally:
            await self.close()

    async def close(self) -> None:
        await self.file.close()
