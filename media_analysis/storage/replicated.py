"""A store with a replica, a second copy: everything is the primary's, but what is deleted is deleted in both."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

import structlog

from media_analysis.errors import MediaAnalysisError, Misconfigured, StoreUnavailable
from media_analysis.storage.calls import Held, reason_of, unheld
from media_analysis.storage.category import Category
from media_analysis.storage.copying import delete_copies
from media_analysis.storage.entries import Entry
from media_analysis.storage.presented import Presented
from media_analysis.storage.store import (
    Capacity,
    DeleteOutcome,
    ObjectReader,
    ObjectStore,
    ObjectWriter,
    Running,
)

RECENT_SECONDS: Final = 1.0
"""How long a look at its marker is enough for whoever only adds."""
AWAY_SECONDS: Final = 5.0
"""How long nobody asks a replica again that did not answer, or as long as it took to hear that."""
LONGEST_AWAY_SECONDS: Final = 60.0
PROBE_SECONDS: Final = 10.0
"""How long somebody waits for it to say that it is there."""
SILENT: Final = "nothing is heard of it"
log = structlog.get_logger()


class ReplicaStore:
    """The store of the replicas, opened once it is there; who asks while it is away hears so at once."""

    def __init__(
        self,
        address: str,
        open_replica: Callable[[], Awaitable[ObjectStore]],
        require_in_force: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.address = address
        self.away_because: str | None = None
        """Why it could not be used when it was last asked; None if it could, or nobody has asked."""
        self._open_store, self._require_in_force = open_replica, require_in_force
        self._opened: ObjectStore | None = None
        self._opening: asyncio.Task[ObjectStore] | None = None
        self._looking = asyncio.Lock()
        self._look_at = self._seen_at = float("-inf")

    async def require(self) -> ObjectStore:
        """Return the store once its marker was seen a moment ago; of many who ask at once, one looks.

        Raises:
            StoreUnavailable: it is away, or not marked as it was.
            Misconfigured: it cannot be one.

        """
        if self.away_because is not None and self._looking.locked():
            raise StoreUnavailable(self.away_because)  # whoever looks finds out whether that has changed
        async with self._looking:
            began = time.monotonic()
            if self.away_because is not None and began < self._look_at:
                raise StoreUnavailable(self.away_because)
            if self._opened is None or began - self._seen_at > RECENT_SECONDS:
                return await self._look(began)
            return self._opened

    async def _look(self, began: float) -> ObjectStore:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                if self._require_in_force is not None:
                    await self._require_in_force()
                opened = self._opened or await self._open()
                await opened.require_marker()
        except TimeoutError:
            self._note_away(SILENT, began)
            raise StoreUnavailable(SILENT) from None
        except Misconfigured as error:
            self._note_away(str(error), began)
            raise
        except MediaAnalysisError as error:
            self._note_away(reason_of(error), began)
            raise StoreUnavailable(reason_of(error)) from error
        if self.away_because is not None:
            log.info("replica.answers", address=self.address)
        self.away_because, self._seen_at = None, time.monotonic()
        return opened

    async def _open(self) -> ObjectStore:
        """Open it, once: a directory that hangs keeps a thread for good, and looking again must not take another."""
        self._opening = self._opening or asyncio.ensure_future(self._open_store())
        try:
            self._opened = await asyncio.shield(self._opening)
        finally:
            if self._opening.done():
                self._opening = None
        return self._opened

    def _note_away(self, reason: str, began: float) -> None:
        if self.away_because != reason:
            log.warning("replica.away", address=self.address, reason=reason)
        took = time.monotonic() - began
        self.away_because = reason
        self._look_at = time.monotonic() + min(max(AWAY_SECONDS, took), LONGEST_AWAY_SECONDS)

    def late_writes(self, key: str) -> timedelta | None:
        """Say how long an object may still arrive there; None where that is never, or nothing was written yet."""
        return None if self._opened is None else self._opened.late_writes(key)

    def keeps_versions(self, key: str) -> bool:
        """Say whether what is deleted there is known to stay, as an older version."""
        return self._opened is not None and self._opened.keeps_versions(key)

    def close(self) -> None:
        """Let go of it."""
        if self._opening is not None:
            self._opening.cancel()
        if self._opened is not None:
            self._opened.close()


@dataclass(frozen=True)
class ReplicatedStore:
    """Keys are the same in both. The replica's absence stops nothing but the end of deletions.

    Who copies, and mends one from the other, asks each of the two by itself.
    """

    primary: ObjectStore
    replica: ReplicaStore

    @property
    def instance_id(self) -> UUID:
        return self.primary.instance_id

    def late_writes(self, key: str) -> timedelta | None:
        said = [late for late in (self.primary.late_writes(key), self.replica.late_writes(key)) if late is not None]
        return max(said, default=None)

    def keeps_versions(self, key: str) -> bool:
        return self.primary.keeps_versions(key) or self.replica.keeps_versions(key)

    def names_first(self, key: str) -> bool:
        return self.primary.names_first(key)

    @property
    def largest_bytes(self) -> int | None:
        return self.primary.largest_bytes

    @property
    def keeps_what_is_open(self) -> bool:
        return self.primary.keeps_what_is_open

    def where(self, key: str) -> str:
        return self.primary.where(key)

    def sign_address(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        return self.primary.sign_address(key, presented, ends_at=ends_at)

    def categories_beside(self, key: str) -> Sequence[Category]:
        return self.primary.categories_beside(key)

    def close(self) -> None:
        self.primary.close()
        self.replica.close()

    async def warnings(self) -> Sequence[str]:
        found = list(await self.primary.warnings())
        try:
            found += await (await self.replica.require()).warnings()
        except MediaAnalysisError as error:
            found.append(f"the replica at {self.replica.address} is away: {reason_of(error)}; deletions wait for it")
        return found

    async def require_marker(self) -> None:
        await self.primary.require_marker()

    async def require_writable(self) -> None:
        await self.primary.require_writable()

    async def create_many(self, keys: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
        return await self.primary.create_many(keys)

    async def put_many(
        self, objects: Sequence[tuple[str, bytes]], *, leaving_bytes: int
    ) -> Sequence[bytes | Exception]:
        return await self.primary.put_many(objects, leaving_bytes=leaving_bytes)

    async def resume(self, key: str, *, size_bytes: int, running: Running | None, fence: int = 0) -> ObjectWriter:
        return await self.primary.resume(key, size_bytes=size_bytes, running=running, fence=fence)

    async def write_many(self, written: Sequence[tuple[ObjectWriter, bytes]]) -> Sequence[bytes | Exception]:
        return await self.primary.write_many(written)

    async def open(self, key: str, *, size_bytes: int | None) -> ObjectReader:
        return await self.primary.open(key, size_bytes=size_bytes)

    async def require(self, key: str, *, size_bytes: int) -> None:
        await self.primary.require(key, size_bytes=size_bytes)

    async def read(self, key: str, *, size_bytes: int) -> bytes:
        return await self.primary.read(key, size_bytes=size_bytes)

    def open_file(self, key: str, *, size_bytes: int | None) -> BinaryIO:
        return self.primary.open_file(key, size_bytes=size_bytes)

    def local_copies(self, objects: Sequence[tuple[str, int]]) -> AbstractAsyncContextManager[Sequence[Path]]:
        return self.primary.local_copies(objects)

    async def delete_many(self, keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        """Delete in both; what is gone in one of them alone has failed, and whoever tries again finds it gone there."""
        outcome = await self.primary.delete_many(keys, overwrite=overwrite)
        return _both(keys, outcome.failed, await self.delete_replicas(keys, overwrite=overwrite))

    async def delete_replicas(self, keys: Sequence[str], *, overwrite: bool = False) -> Mapping[str, str]:
        """Delete what the replica has of objects, and return why what stays of them does."""
        if not keys:
            return {}
        try:
            return await delete_copies(await self.replica.require(), keys, overwrite=overwrite)
        except MediaAnalysisError as error:
            return _away(keys, error)

    async def set_aside(self, keys: Sequence[str], *, day: date, require_held: Held = unheld) -> Mapping[str, str]:
        """Move objects of the primary store alone: whoever holds a lock meanwhile deletes their replicas after it."""
        return await self.primary.set_aside(keys, day=day, require_held=require_held)

    async def look_up(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        return await self.primary.look_up(keys)

    def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        return self.primary.walk(at_once)

    async def list_quarantine_days(self) -> Sequence[date]:
        return await self.primary.list_quarantine_days()

    def walk_quarantine(self, day: date, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        return self.primary.walk_quarantine(day, at_once)

    async def delete_set_aside(self, places: Sequence[str]) -> DeleteOutcome:
        return await self.primary.delete_set_aside(places)

    async def end_quarantine_day(self, day: date) -> None:
        await self.primary.end_quarantine_day(day)

    async def abandoned(self, before: datetime) -> AsyncIterator[Sequence[str]]:
        async for keys in self.primary.abandoned(before):
            yield keys
        try:
            async for keys in (await self.replica.require()).abandoned(before):
                yield keys
        except MediaAnalysisError as error:
            log.warning("replica.leftovers_unseen", reason=str(error))

    async def abort(self, keys: Sequence[str]) -> DeleteOutcome:
        outcome = await self.primary.abort(keys)
        try:
            failed = (await (await self.replica.require()).abort(keys)).failed
        except MediaAnalysisError as error:
            failed = dict(_away(keys, error))
        return _both(keys, outcome.failed, failed)

    async def capacity(self, key: str = "") -> Capacity:
        return await self.primary.capacity(key)


def _both(keys: Sequence[str], failed: Mapping[str, str], replicas: Mapping[str, str]) -> DeleteOutcome:
    if not failed and not replicas:
        return DeleteOutcome(keys)
    either = {**replicas, **failed}
    return DeleteOutcome([key for key in keys if key not in either], either)


def _away(keys: Sequence[str], error: MediaAnalysisError) -> Mapping[str, str]:
    return dict.fromkeys(keys, f"its replica stays: {reason_of(error)}")
