"""Uploads that are all here already: those that wait go through the protocol's steps as one group."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

import structlog

from media_analysis.db.driver import DirectConnection
from media_analysis.db.group import GroupCommit
from media_analysis.errors import UploadLeaseLost
from media_analysis.failpoints import failpoint
from media_analysis.files.expiry import Expiry
from media_analysis.files.upload import pending, storing
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import UploadProtocol
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload
from media_analysis.files.upload.transactions import create_names
from media_analysis.storage.store import ObjectWriter

WRITERS: Final = 2
LOOK_SECONDS: Final = 0.1
"""How long what the disk had free is good for, but for what was written meanwhile."""
SMALL_BYTES: Final = 64 * 1024
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class SmallUpload:
    """What is registered of an upload, and all of its bytes."""

    registration: Registration
    content: bytes
    expiry: Expiry | None


@dataclass(frozen=True, slots=True)
class SmallOutcome:
    """How far an upload came: stored, or written, and then its last transaction is still to be made."""

    written: WrittenUpload
    stored: StoredUpload | None


@dataclass(frozen=True)
class SmallUploads:
    """Two writers: while one waits for the disk, the other group is at the database; more would make them smaller."""

    protocol: UploadProtocol

    async def store(self, asked: SmallUpload) -> SmallOutcome | None:
        """Store all the bytes there are; None where nothing is left of it, and it has to be tried as any upload.

        Raises:
            UploadLeaseLost: the sweep took it, for a lease ended before it was stored.

        """
        return await min(self._writers, key=lambda writer: writer.load).submit(asked)

    async def close(self) -> None:
        """Finish what was submitted."""
        for writer in self._writers:
            await writer.close()

    @cached_property
    def _writers(self) -> Sequence["_Writer"]:
        return [_Writer(self.protocol) for _ in range(WRITERS)]


@dataclass
class _Writer:
    """One group after another, over a connection of its own; what is not usual goes the way of any upload."""

    protocol: UploadProtocol
    _free_bytes: int = 0
    _looked_at: float = -LOOK_SECONDS

    @property
    def load(self) -> int:
        """How many it has to store."""
        return self._group.load

    async def submit(self, asked: SmallUpload) -> SmallOutcome | None:
        return await self._group.submit(asked)

    async def close(self) -> None:
        await self._group.close()
        await self._connection.close()

    @cached_property
    def _connection(self) -> DirectConnection:
        return self.protocol.db.driver.connection()

    @cached_property
    def _group(self) -> GroupCommit[SmallUpload, SmallOutcome | None]:
        return GroupCommit(self._flush)

    async def _flush(self, asked: Sequence[SmallUpload]) -> Sequence[SmallOutcome | Exception | None]:
        by_id = {item.registration.id: item for item in asked}
        try:
            written = await self._write(by_id)
        except Exception as error:  # noqa: BLE001 - nothing of the group counts yet, and each is tried alone
            log.info("upload.group_broken", uploads=len(asked), reason=type(error).__name__)
            written = {}
        lost = by_id.keys() - written.keys()
        if lost:
            await self.protocol.give_up(lost)
        stored = await self._store(list(written.values())) if written else {}
        return [_outcome(written.get(file_id), stored) for file_id in by_id]

    async def _write(self, asked: Mapping[UUID, SmallUpload]) -> Mapping[UUID, WrittenUpload]:
        """Return those whose bytes are durable."""
        first = next(iter(asked.values())).registration
        await self._require_disk_room(first.key, sum(len(item.content) for item in asked.values()))
        registrations = await self._register([item.registration for item in asked.values()])
        created = await create_names(self._connection.transaction(durable=False), self.protocol.store, registrations)
        writers: list[tuple[ObjectWriter, bytes]] = []
        ids = []
        for item, writer in zip(registrations, created, strict=True):
            if not isinstance(writer, Exception):
                writers.append((writer, asked[item.id].content))
                ids.append(item.id)
        hashes = await self.protocol.store.write_many(writers) if writers else ()
        failpoint("small.synced")
        return {
            file_id: WrittenUpload(
                registration=asked[file_id].registration,
                size_bytes=len(asked[file_id].content),
                sha256=sha256,
                expiry=asked[file_id].expiry,
            )
            for file_id, sha256 in zip(ids, hashes, strict=True)
            if isinstance(sha256, bytes)
        }

    async def _require_disk_room(self, key: str, needed_bytes: int) -> None:
        """Return if the disk has room beside its reserve, by what it had a moment ago."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._free_bytes = (await self.protocol.store.capacity(key)).free_bytes
            self._looked_at = time.monotonic()
        self._free_bytes -= needed_bytes
        if self._free_bytes < self.protocol.reserve_bytes:
            await self.protocol.require_disk_room(key, needed_bytes)

    async def _register(self, asked: Sequence[Registration]) -> Sequence[Registration]:
        """Make pending rows (T0) in a statement that is its own transaction; return those that may go on."""
        transactions = self.protocol.transactions
        receipts = await pending.add_pending(
            self._connection, asked, jobs=transactions.jobs, lease_seconds=transactions.lease_seconds
        )
        failpoint("small.registered")
        return [item for item in asked if receipts[item.id].added]

    async def _store(self, written: Sequence[WrittenUpload]) -> Mapping[UUID, StoredUpload] | None:
        """Turn pending rows into stored ones (T2); None where that is to be tried for each of them."""
        try:
            stored = await storing.store_arrived(self._connection, written, jobs=self.protocol.transactions.jobs)
        except Exception as error:  # noqa: BLE001 - a quota, a lost answer: the way of any upload knows what to do
            log.info("upload.group_unsettled", uploads=len(written), reason=type(error).__name__)
            return None
        failpoint("small.settled")
        return stored


def _outcome(
    written: WrittenUpload | None, stored: Mapping[UUID, StoredUpload] | None
) -> SmallOutcome | Exception | None:
    if written is None:
        return None
    file_id = written.registration.id
    if stored is None:
        return SmallOutcome(written, None)
    return SmallOutcome(written, stored[file_id]) if file_id in stored else UploadLeaseLost(file_id)
