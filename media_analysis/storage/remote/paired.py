"""A store in a bucket whose archives lie in another one: what both lend comes out of one room."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from media_analysis.storage.paired import PairedStore
from media_analysis.storage.remote.scratch import BorrowedObject
from media_analysis.storage.remote.store import RemoteStore


@dataclass(frozen=True)
class PairedBuckets(PairedStore):
    """Two buckets with one scratch."""

    main: RemoteStore
    archives: RemoteStore

    @asynccontextmanager
    async def local_copies(self, objects: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Path]]:
        # Of both at once: who has copies of one must not wait for room that others have who wait for theirs.
        borrowed = [
            BorrowedObject((self.main if self._holder(key) is self.main else self.archives).bucket, key, size_bytes)
            for key, size_bytes in objects
        ]
        async with self.main.scratch.lend(borrowed) as paths:
            yield paths
