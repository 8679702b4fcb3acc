"""Room for an upload: looked at while its bytes arrive, and made in the transaction that stores them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.errors import DiskReserveReached, IncompleteUpload, InvalidRequest, OwnerQuotaReached, QuotaReached
from media_analysis.files.ledger import Account, Moved
from media_analysis.files.upload import pending
from media_analysis.files.upload.pending import Registration
from media_analysis.storage.category import Category
from media_analysis.storage.store import Capacity, ObjectStore

FIRST_STEP_BYTES: Final = 2**20
"""Less than that is small enough for its closing transaction to say whether it fits."""
LARGEST_STEP_BYTES: Final = 64 * 2**20
ROOM_ATTEMPTS: Final = 10
"""How often an upload makes room that others take before it gives up."""

Value = TypeVar("Value")
Closing = Callable[[AsyncSession], Awaitable[tuple[Value, Sequence[Moved]]]]
"""Marks whole bytes as stored, without the ledger, and returns what it has yet to be told."""


class QuotaUse(NamedTuple):
    """What is used of a quota; without one there is room for anything."""

    used_bytes: int
    quota_bytes: int | None


def require_within(category: Category, needed_bytes: int, *, everybody: QuotaUse, owner: QuotaUse) -> None:
    """Return if so much more fits into a category's quota and into its owner's; nothing is evicted for it.

    Raises:
        QuotaReached, OwnerQuotaReached: it does not; says how much is missing.

    """
    for kind, (used_bytes, quota_bytes) in ((QuotaReached, everybody), (OwnerQuotaReached, owner)):
        if quota_bytes is not None and used_bytes + needed_bytes > quota_bytes:
            raise kind(
                category.value,
                quota_bytes=quota_bytes,
                used_bytes=used_bytes,
                owned_bytes=owner.used_bytes,
                needed_bytes=needed_bytes,
                missing_bytes=used_bytes + needed_bytes - quota_bytes,
                space_frees_at=None,
            )


def require_reserve(capacity: Capacity, needed_bytes: int, *, reserve_bytes: int) -> None:
    """Return if so many bytes fit on a disk beside its reserve.

    Raises:
        DiskReserveReached: they do not.

    """
    if capacity.free_bytes - needed_bytes < reserve_bytes:
        raise DiskReserveReached(free_bytes=capacity.free_bytes, reserve_bytes=reserve_bytes, needed_bytes=needed_bytes)


class RoomMaker(Protocol):
    """Evicts what the policy lets go when an upload finds no room; nothing moves for what was only announced."""

    async def require_reach(self, asked: Registration, size_bytes: int) -> None:
        """Return if an upload of so many bytes in all would fit, after what may go for it has gone; nothing goes.

        Raises:
            QuotaReached: not even eviction would free enough; says how much is missing and when space frees.

        """
        ...

    async def make_room(self, asked: Registration, size_bytes: int, closing: Closing[Value]) -> Value:
        """Run `closing` of an upload in one transaction with the evictions it needs: all of it, or nothing.

        Raises:
            QuotaReached: not even eviction frees enough.

        """
        ...

    async def make_disk_room(self, needed_bytes: int, account: Account, *, key: str = "") -> None:
        """Free so much of the disk that an object of an account lies on, beside its reserve.

        Raises:
            DiskReserveReached: not even eviction frees enough.

        """
        ...

    async def notice(self, category: Category) -> None:
        """Relieve a category if it was just taken past its high-water mark; never fails the upload that did it."""
        ...

    async def look(self, *categories: Category) -> None:
        """Do so at once for each of them, for whoever brought many files and is about to end."""
        ...


@dataclass
class Arrival:
    """How far an upload has come: it goes on as long as what has arrived could still be stored."""

    db: Database
    room: RoomMaker
    asked: Registration
    announced_bytes: int | None
    """What the client said, which then is also the limit."""
    _step_bytes: int = FIRST_STEP_BYTES

    async def begin(self) -> None:
        """Return unless the announced length could not be stored as things are; without a key that is known already.

        Raises:
            QuotaReached: it could not.

        """
        if self.asked.idempotency_key is not None and (self.announced_bytes or 0) > FIRST_STEP_BYTES:
            await self.room.require_reach(self.asked, self.announced_bytes or 0)

    async def reach(self, size_bytes: int) -> None:
        """Return if so many bytes may have arrived.

        Raises:
            IncompleteUpload: more than announced.
            QuotaReached: they could not be stored.
            UploadLeaseLost: the sweep took the row.

        """
        if self.announced_bytes is not None and size_bytes > self.announced_bytes:
            raise IncompleteUpload
        if size_bytes < self._step_bytes:
            return
        self._step_bytes = size_bytes + min(size_bytes, LARGEST_STEP_BYTES)
        await self.room.require_reach(self.asked, size_bytes)
        await self._note(size_bytes)

    async def complete(
        self, filename: str, parent_id: UUID | None, labels: Mapping[str, str] | None, media_type: str
    ) -> Registration:
        """Return what is registered once all is known, of which some may have come after the bytes, or in them.

        Raises:
            InvalidRequest: the parent is unknown, or decides where the bytes lie.
            UploadLeaseLost: the sweep took the row.

        """
        asked = replace(self.asked, filename=filename, parent_id=parent_id, labels=labels, media_type=media_type)
        if asked == self.asked:
            return asked
        if parent_id != self.asked.parent_id and asked.category is Category.FRAMES:
            raise InvalidRequest("parent_id", "must come before the file: frames lie with their parent")
        await self._complete(asked)
        return asked

    @retried
    async def _complete(self, asked: Registration) -> None:
        async with self.db.transaction() as session:
            await pending.complete_pending(session, asked)

    @retried
    async def _note(self, size_bytes: int) -> None:
        async with self.db.transaction() as session:
            await pending.note_arrived(session, self.asked, size_bytes)


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """The disk an upload comes to lie on; its reserve stays free."""

    store: ObjectStore
    room: RoomMaker
    reserve_bytes: int

    async def require_possible(self, asked: Registration, announced_bytes: int | None) -> None:
        """Refuse an announced length that could not be stored, before the client is asked for anything of it.

        What was stored under a key is answered, whatever there is room for now.

        Raises:
            DiskReserveReached: the disk could not hold it even if nothing else was there.
            QuotaReached: not even eviction would free enough.

        """
        if announced_bytes is None or announced_bytes <= FIRST_STEP_BYTES:
            return
        capacity = await self.store.capacity(asked.key)
        if announced_bytes > capacity.total_bytes - self.reserve_bytes:
            require_reserve(capacity, announced_bytes, reserve_bytes=self.reserve_bytes)
        if asked.idempotency_key is None:
            await self.room.require_reach(asked, announced_bytes)

    async def require(self, asked: Registration, needed_bytes: int) -> None:
        """Return once so many bytes that are here fit on the disk, by eviction if need be.

        Raises:
            DiskReserveReached: they do not.

        """
        try:
            await self._require(asked.key, needed_bytes)
        except DiskReserveReached:
            await self.room.make_disk_room(needed_bytes, asked.account, key=asked.key)
            await self._require(asked.key, needed_bytes)

    async def _require(self, key: str, needed_bytes: int) -> None:
        require_reserve(await self.store.capacity(key), needed_bytes, reserve_bytes=self.reserve_bytes)
