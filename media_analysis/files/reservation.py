"""Room for an upload: announced at once, or in growing steps while bytes of unknown number arrive."""

from dataclasses import dataclass
from typing import Final, Protocol

from media_analysis.db.database import Database, retried
from media_analysis.errors import IncompleteUpload, QuotaPassed
from media_analysis.files import registration
from media_analysis.files.registration import Registration
from media_analysis.storage.category import Category

FIRST_STEP_BYTES: Final = 2**20
LARGEST_STEP_BYTES: Final = 64 * 2**20
ROOM_ATTEMPTS: Final = 10
"""How often an upload makes room that others take before it gives up."""


class RoomMaker(Protocol):
    """Evicts what the policy lets go when an upload finds no room."""

    async def make_room(self, category: Category, needed_bytes: int) -> None:
        """Free so much of a category's quota.

        Raises:
            QuotaReached: not even eviction frees enough; says how much is missing and when space frees.

        """
        ...

    async def make_disk_room(self, needed_bytes: int, *, key: str = "") -> None:
        """Free so much of the disk that an object lies on, beside its reserve.

        Raises:
            DiskReserveReached: not even eviction frees enough.

        """
        ...

    async def notice(self, category: Category) -> None:
        """Relieve a category if it was just taken past its high-water mark; never fails the upload that did it."""
        ...


@dataclass
class Reservation:
    """What the ledger holds for one upload; it never writes a byte that is not reserved."""

    db: Database
    room: RoomMaker
    asked: Registration
    announced: bool
    """Whether the client told the length, which then is also the limit."""
    reserved_bytes: int

    async def cover(self, size_bytes: int) -> None:
        """Return once so many bytes are reserved.

        Raises:
            IncompleteUpload: more than announced.
            QuotaReached: the category has no room left.
            UploadLeaseLost: the sweep took the row.

        """
        needed_bytes = size_bytes - self.reserved_bytes
        if needed_bytes <= 0:
            return
        if self.announced:
            raise IncompleteUpload
        generous_bytes = max(needed_bytes, FIRST_STEP_BYTES, min(self.reserved_bytes, LARGEST_STEP_BYTES))
        if await self._extend(generous_bytes):
            return
        for _ in range(ROOM_ATTEMPTS):
            if await self._extend(needed_bytes):
                return
            await self.room.make_room(self.asked.category, needed_bytes)
        raise QuotaPassed(self.asked.category, needed_bytes)

    @retried
    async def _extend(self, more_bytes: int) -> bool:
        try:
            async with self.db.transaction() as session:
                await registration.extend(session, self.asked, more_bytes)
        except QuotaPassed:
            return False
        self.reserved_bytes += more_bytes
        return True
