"""Uploads that are all here already: those that wait go through the protocol's steps as one group."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from uuid import UUID

import structlog

from media_analysis.db.driver import DirectConnection
from media_analysis.db.group import GroupCommit
from media_analysis.errors import StoreUnavailable, UploadLeaseLost
from media_analysis.failpoints import failpoint
from media_analysis.files.expiry import Expiry
from media_analysis.files.ledger import Account
from media_analysis.files.upload import pending, storing
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import UploadProtocol
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload

SMALL_BYTES: Final = 64 * 1024
WHOLE_BYTES: Final = 2**20
"""Up to where a body is taken whole; it is held until it is stored."""
HELD_BYTES: Final = 64 * 2**20
"""What bodies that are taken whole may hold together."""
WRITERS: Final = 2
GROUP_BYTES: Final = 4 * 2**20
ITEM_BYTES: Final = 8 * 1024
"""What each weighs in a group besides its bytes: its rows and its name take time, too."""
GATHERS_SECONDS: Final = 0.001
FULL_SECONDS: Final = 1.0
"""How long uploads of an account that passed a quota go alone, for it would fail the groups of others."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class SmallUpload:
    """What is registered of an upload, and all of its bytes."""

    registration: Registration
    content: bytes
    expiry: Expiry | None

    @property
    def weight(self) -> int:
        return ITEM_BYTES + len(self.content)


@dataclass(frozen=True, slots=True)
class SmallOutcome:
    """How far an upload came: stored, or written, and then its last transaction is still to be made."""

    written: WrittenUpload
    stored: StoredUpload | None


@dataclass
class HeldBody:
    """What one body holds of the memory for whole bodies."""

    memory: "Memory"
    owner: str
    size_bytes: int = 0

    def add(self, size_bytes: int) -> bool:
        """Hold so much more; return whether there was room for it."""
        self.size_bytes += size_bytes
        return self.memory.change(self.owner, size_bytes)


@dataclass
class Memory:
    """Memory for bodies that are taken whole; no owner has more of it than is left for all others."""

    most_bytes: int = HELD_BYTES
    _all_bytes: int = 0
    _by_owner: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def hold(self, owner: str) -> Iterator[HeldBody]:
        """Yield what counts the bytes of a body until the block ends."""
        held = HeldBody(self, owner)
        try:
            yield held
        finally:
            self.change(owner, -held.size_bytes)

    def change(self, owner: str, size_bytes: int) -> bool:
        """Count bytes, or count them no more; return whether their owner has no more than is left."""
        self._all_bytes += size_bytes
        mine = self._by_owner.pop(owner, 0) + size_bytes
        if mine:
            self._by_owner[owner] = mine
        return mine <= self.most_bytes - self._all_bytes


@dataclass(frozen=True)
class SmallUploads:
    """Two lanes, so that what is small does not wait for what is not; two groups of each at a time.

    While one waits for the disk, the other is at the database; more would make them smaller.
    """

    protocol: UploadProtocol
    memory: Memory = field(default_factory=Memory)
    _full: dict[Account, float] = field(default_factory=dict, init=False)

    def is_full(self, account: Account) -> bool:
        """Say whether an account, or its category, passed its quota a moment ago."""
        if account in self._full and time.monotonic() >= self._full[account]:
            del self._full[account]
        return account in self._full

    def note_full(self, account: Account) -> None:
        """Note that it did."""
        self._full[account] = time.monotonic() + FULL_SECONDS

    async def store(self, asked: SmallUpload) -> SmallOutcome | None:
        """Store all the bytes there are; None where nothing is left of it, and it has to be tried as any upload.

        Raises:
            UploadLeaseLost: the sweep took it, for a lease ended before it was stored.

        """
        small, large = self._lanes
        return await (small if len(asked.content) <= SMALL_BYTES else large).group.submit(asked)

    async def close(self) -> None:
        """Finish what was submitted."""
        for lane in self._lanes:
            await lane.close()

    @cached_property
    def _lanes(self) -> tuple["_Lane", "_Lane"]:
        return _Lane(self.protocol), _Lane(self.protocol)


@dataclass
class _Lane:
    """Groups of uploads of a kind, several at a time."""

    protocol: UploadProtocol
    _under_way_bytes: int = 0

    async def close(self) -> None:
        await self.group.close()
        for writer in self._free:
            await writer.connection.close()

    @cached_property
    def group(self) -> GroupCommit[SmallUpload, SmallOutcome | None]:
        return GroupCommit(
            self._flush,
            most=GROUP_BYTES,
            weigh=lambda item: item.weight,
            writers=WRITERS,
            gathers_seconds=GATHERS_SECONDS,
        )

    @cached_property
    def _free(self) -> list["_Writer"]:
        # A plan is made once: with the arrays of each group at hand, it would take longer than what it plans.
        connect = self.protocol.db.driver.connection
        return [_Writer(self.protocol, connect(plan_cache_mode="force_generic_plan")) for _ in range(WRITERS)]

    async def _flush(self, asked: Sequence[SmallUpload]) -> Sequence[SmallOutcome | Exception | None]:
        writer, size_bytes = self._free.pop(), sum(item.weight for item in asked)
        self._under_way_bytes += size_bytes
        try:
            return await writer.flush(asked, leaving_bytes=self.protocol.reserve_bytes + self._under_way_bytes)
        finally:
            self._under_way_bytes -= size_bytes
            self._free.append(writer)


@dataclass(frozen=True)
class _Writer:
    """One group after another, over a connection of its own; what is not usual goes the way of any upload."""

    protocol: UploadProtocol
    connection: DirectConnection

    async def flush(
        self, asked: Sequence[SmallUpload], *, leaving_bytes: int
    ) -> Sequence[SmallOutcome | Exception | None]:
        by_id = {item.registration.id: item for item in asked}
        away: StoreUnavailable | None = None
        try:
            written = await self._write(by_id, leaving_bytes)
        except Exception as error:  # noqa: BLE001 - nothing of the group counts yet, and each is tried alone
            log.info("upload.group_broken", uploads=len(asked), reason=type(error).__name__)
            written = {}
            # Each would wait for a bucket that is away as long as the group has.
            away = error if isinstance(error, StoreUnavailable) else None
        lost = by_id.keys() - written.keys()
        if lost:
            await self.protocol.give_up(lost)
        stored = await self._store(list(written.values())) if written else {}
        return [away or _outcome(written.get(file_id), stored) for file_id in by_id]

    async def _write(self, asked: Mapping[UUID, SmallUpload], leaving_bytes: int) -> Mapping[UUID, WrittenUpload]:
        """Return those whose bytes are durable."""
        registrations = await self._register([item.registration for item in asked.values()])
        hashes = await self._put([asked[item.id] for item in registrations], leaving_bytes)
        failpoint("small.synced")
        return {
            file_id: WrittenUpload(
                registration=asked[file_id].registration,
                size_bytes=len(asked[file_id].content),
                sha256=sha256,
                expiry=asked[file_id].expiry,
            )
            for file_id, sha256 in hashes.items()
            if isinstance(sha256, bytes)
        }

    async def _register(self, asked: Sequence[Registration]) -> Sequence[Registration]:
        """Make pending rows (T0) in a statement that is its own transaction; return those that may go on."""
        transactions = self.protocol.transactions
        receipts = await pending.add_pending(
            self.connection, asked, jobs=transactions.jobs, lease_seconds=transactions.lease_seconds
        )
        failpoint("small.registered")
        return [item for item in asked if receipts[item.id].added]

    async def _put(self, asked: Sequence[SmallUpload], leaving_bytes: int) -> Mapping[UUID, bytes | Exception]:
        """Create the names of pending rows under the locks of these (T1), and make all durable; return the SHA-256s.

        The locks last until then, so that nobody has to be woken for their end before. Where names come with their
        bytes, locks would keep nothing in order, and a bucket is not asked while a transaction is open.
        """
        store, held = self.protocol.store, list[SmallUpload]()
        if not all(store.names_first(item.registration.key) for item in asked):
            return _by_id(asked, await store.put_many(_objects(asked), leaving_bytes=leaving_bytes))
        try:
            async with self.connection.transaction(durable=False) as locking:
                locked = await pending.lock_pending(locking, [item.registration.id for item in asked])
                held = [item for item in asked if item.registration.id in locked]
                failpoint("upload.locked")
                # A crash from here on leaves names whose pending rows say that they may be removed.
                said = await store.put_many(_objects(held), leaving_bytes=leaving_bytes) if held else ()
        except BaseException:
            # Their locks may have been lost with the transaction, and the sweep may have looked for names before.
            await store.delete_many([item.registration.key for item in held])
            raise
        return _by_id(held, said)

    async def _store(self, written: Sequence[WrittenUpload]) -> Mapping[UUID, StoredUpload] | None:
        """Turn pending rows into stored ones (T2); None where that is to be tried for each of them."""
        try:
            stored = await storing.store_arrived(self.connection, written, jobs=self.protocol.transactions.jobs)
        except Exception as error:  # noqa: BLE001 - a quota, a lost answer: the way of any upload knows what to do
            log.info("upload.group_unsettled", uploads=len(written), reason=type(error).__name__)
            return None
        failpoint("small.settled")
        return stored


def _objects(asked: Sequence[SmallUpload]) -> Sequence[tuple[str, bytes]]:
    return [(item.registration.key, item.content) for item in asked]


def _by_id(asked: Sequence[SmallUpload], said: Sequence[bytes | Exception]) -> Mapping[UUID, bytes | Exception]:
    return {item.registration.id: one for item, one in zip(asked, said, strict=True)}


def _outcome(
    written: WrittenUpload | None, stored: Mapping[UUID, StoredUpload] | None
) -> SmallOutcome | Exception | None:
    if written is None:
        return None
    file_id = written.registration.id
    if stored is None:
        return SmallOutcome(written, None)
    return SmallOutcome(written, stored[file_id]) if file_id in stored else UploadLeaseLost(file_id)
