"""The one protocol of who writes objects: row first, then the name, then the bytes, then the fact (design law 3)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

import structlog

from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database
from media_analysis.errors import DatabaseUnavailable, QuotaExceeded
from media_analysis.files.expiry import Expiry
from media_analysis.files.upload.leases import end_leases, leased
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.room import require_reserve
from media_analysis.files.upload.storing import WrittenUpload
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.storage.store import ObjectStore, ObjectWriter

GIVING_UP_SECONDS: Final = 10.0
"""How long whoever failed waits until nothing is left of it: a bucket that is away is asked for longer than that."""
Discard = Callable[[Sequence[UUID]], Awaitable[None]]
"""Deletes, by the one deleter, those of these rows that are still pending."""
Value = TypeVar("Value")
Fill = Callable[[ObjectWriter], Awaitable[Value]]
log = structlog.get_logger()


@dataclass(frozen=True)
class UploadProtocol:
    """Takes objects from pending rows to facts; what breaks off is given up, or swept when its lease ends."""

    db: Database
    store: ObjectStore
    transactions: UploadTransactions
    discard: Discard
    reserve_bytes: int
    """What stays free of the disk."""

    @asynccontextmanager
    async def pending(self) -> AsyncIterator["PendingUploads"]:
        """Renew the leases of what is registered while the block runs; what is pending still when it fails is given up.

        A COMMIT of the block's whose answer was lost has stored them: giving up looks at each row, locked, first.
        """
        uploads = PendingUploads(self)
        try:
            async with leased(self.db, uploads.ids, lease_seconds=self.transactions.lease_seconds):
                yield uploads
        except BaseException:
            if not uploads.is_committing:
                await self.give_up(uploads.ids)
            raise

    async def require_disk_room(self, key: str, needed_bytes: int) -> None:
        """Return if so many bytes fit on the disk that a key lies on, beside its reserve; nothing is evicted.

        Raises:
            DiskReserveReached: they do not.

        """
        require_reserve(await self.store.capacity(key), needed_bytes, reserve_bytes=self.reserve_bytes)

    async def give_up(self, ids: Collection[UUID]) -> None:
        """Delete what is pending still of these; never fails whoever has a failure to report, or a success."""
        await carry_through(self._give_up(sorted(ids)))

    async def _give_up(self, ids: Sequence[UUID]) -> None:
        try:
            async with asyncio.timeout(GIVING_UP_SECONDS):
                await self.discard(ids)
        except Exception as error:  # noqa: BLE001 - the first failure is the one to report; the sweep takes the rows
            log.warning("upload.left_pending", file_ids=[str(file_id) for file_id in ids], reason=type(error).__name__)
            if not isinstance(error, DatabaseUnavailable):  # which would be waited for once more
                await end_leases(self.db, ids)  # whoever asks again need not wait for them


@dataclass
class PendingUploads:
    """What one block has registered and not yet turned into facts."""

    protocol: UploadProtocol
    ids: set[UUID] = field(default_factory=set)
    is_committing: bool = False

    async def register(self, *asked: Registration) -> Sequence[bool]:
        """Make pending rows (T0), many in one transaction; say which were added, as `UploadTransactions.register` does.

        Raises:
            InvalidRequest, JobArchived, FenceLost, PlaceTaken, QuotaPassed, DatabaseUnavailable: of the first refused.

        """
        self.ids.update(item.id for item in asked)
        transactions = self.protocol.transactions
        if len(asked) == 1:
            added: Sequence[bool] = [await transactions.register(asked[0])]
        else:
            added = _require_all(await transactions.register_many(asked))
        self.ids.difference_update(item.id for item, is_ours in zip(asked, added, strict=True) if not is_ours)
        return added

    async def create(self, *asked: Registration) -> Sequence[ObjectWriter]:
        """Create the names (T1), each once and under the lock of its row; whoever asks closes the writers.

        Raises:
            UploadLeaseLost: the sweep took a row first.
            StoreUnavailable, DiskFull: a name could not be made.

        """
        transactions = self.protocol.transactions
        if len(asked) == 1:
            return [await transactions.create(asked[0])]
        made = await transactions.create_many(asked)
        try:
            return _require_all(made)
        except Exception:
            for writer in made:
                if not isinstance(writer, Exception):
                    writer.close()
            raise

    async def write(self, asked: Registration, fill: Fill[Value], expiry: Expiry) -> tuple[WrittenUpload, Value]:
        """Write one object and make it durable; it counts once the block has stored it (T2)."""
        (writer,) = await self.create(asked)
        writer.expect(asked.reserved_bytes)
        try:
            value = await fill(writer)
            sha256 = await writer.sync()
        finally:
            writer.close()
        return WrittenUpload(registration=asked, size_bytes=writer.size_bytes, sha256=sha256, expiry=expiry), value

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Send the last transaction (T2): after it nothing is given up but what certainly found no room.

        A COMMIT may have happened although its answer was lost, while a quota is passed by pending rows only.
        """
        self.is_committing = True
        try:
            yield
        except QuotaExceeded:
            self.is_committing = False
            raise


def _require_all(answers: Sequence[Value | Exception]) -> Sequence[Value]:
    """Return the answers, or raise the first error among them."""
    for one in answers:
        if isinstance(one, Exception):
            raise one
    return [one for one in answers if not isinstance(one, Exception)]
