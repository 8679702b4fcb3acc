"""Putting the bytes of an old archive into the store by the upload protocol: pending until its rows are committed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from media_analysis.archive.progress import TaskProgress, telling
from media_analysis.cancellation import carry_through
from media_analysis.db.database import Database
from media_analysis.deletion.deleter import Deleter
from media_analysis.errors import DatabaseUnavailable, DiskReserveReached
from media_analysis.failpoints import failpoint
from media_analysis.files.expiry import Expiry
from media_analysis.files.queries import renew_leases
from media_analysis.files.registrar import Registrar
from media_analysis.files.registration import Registration
from media_analysis.files.settlement import Settlement
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.store import ObjectWriter

Value = TypeVar("Value")
Fill = Callable[[ObjectWriter], Awaitable[Value]]


@dataclass(frozen=True)
class ArchiveUpload:
    """Uploads archives; what breaks off leaves at most an abandoned upload."""

    db: Database
    store: DiskStore
    registrar: Registrar
    deleter: Deleter
    reserve_bytes: int
    """What stays free of the disk."""

    async def require_room(self, key: str, needed_bytes: int) -> None:
        """Return if the disk has room.

        Raises:
            DiskReserveReached: it has not.

        """
        free_bytes = (await self.store.capacity(key)).free_bytes
        if free_bytes - needed_bytes < self.reserve_bytes:
            raise DiskReserveReached(free_bytes=free_bytes, reserve_bytes=self.reserve_bytes, needed_bytes=needed_bytes)

    @asynccontextmanager
    async def pending(self, asked: Registration, progress: TaskProgress) -> AsyncIterator[None]:
        """Register an upload and keep it pending while the block runs; it is given up where the block fails.

        Raises:
            QuotaPassed: archives have no room for it.

        """
        try:
            await self.registrar.register(asked)
            failpoint("adopt_runs.registered")
            progress.uploads.add(asked.id)
            async with telling(progress, self._renew):
                yield
        except BaseException:
            # A COMMIT whose answer was lost has stored it, and then there is nothing pending to abandon.
            await carry_through(self.deleter.abandon(asked.id))
            raise

    async def write(self, asked: Registration, fill: Fill[Value], ends_at: datetime) -> tuple[Settlement, Value]:
        """Write an archive and make it durable; it counts once its settlement is committed."""
        writer = await self.registrar.create(asked)
        try:
            value = await fill(writer)
            failpoint("adopt_runs.written")
            sha256 = await writer.sync()
        finally:
            writer.close()
        failpoint("adopt_runs.synced")
        settlement = Settlement(
            registration=asked,
            size_bytes=writer.size_bytes,
            sha256=sha256,
            expiry=Expiry(at=ends_at),
            reserved_bytes=asked.reserved_bytes,
        )
        return settlement, value

    async def _renew(self, progress: TaskProgress) -> bool:
        try:
            async with self.db.transaction() as session:
                await renew_leases(session, sorted(progress.uploads), lease_seconds=self.registrar.lease_seconds)
        except DatabaseUnavailable:
            return True  # the lease outlasts a short absence
        return True
