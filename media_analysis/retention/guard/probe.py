"""Whether database and store take changes: found out by changing something, for everybody who asks at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from media_analysis.db.database import Database, retried
from media_analysis.db.instance import touch
from media_analysis.errors import DatabaseUnavailable, MediaAnalysisError, StoreUnavailable
from media_analysis.storage.store import ObjectStore

FRESH_SECONDS: Final = 5.0


@dataclass
class _Shared:
    """One look at a time, whose finding is everybody's for a while."""

    look: Callable[[], Awaitable[None]]
    fresh_seconds: float
    limit_seconds: float
    monotonic: Callable[[], float]
    _looking: asyncio.Task[None] | None = None
    _began_at: float = 0.0
    _found_at: float = float("-inf")

    async def require(self, late: MediaAnalysisError) -> None:
        """Return if all was well a moment ago, or is now; raise what was wrong, or `late` if nothing answers."""
        if self._looking is None or (self._looking.done() and self._is_old()):
            self._began_at = self.monotonic()
            self._looking = asyncio.create_task(self._look())
        # Not cancelled: a disk that never answers keeps one thread, and not one for everybody who asks.
        left_seconds = self.limit_seconds - (self.monotonic() - self._began_at)
        await asyncio.wait([self._looking], timeout=max(0.0, left_seconds))
        if not self._looking.done():
            raise late
        self._looking.result()

    def _is_old(self) -> bool:
        return self.monotonic() - self._found_at >= self.fresh_seconds

    async def _look(self) -> None:
        try:
            await self.look()
        finally:
            self._found_at = self.monotonic()


@dataclass(frozen=True)
class WriteProbe:
    """Writes a row and a block at most every five seconds, when somebody asks; all who ask share what was found.

    Where nobody asks nothing is written: an idle service writes no more than its clock's note of every minute.
    """

    db: Database
    store: ObjectStore
    fresh_seconds: float = FRESH_SECONDS
    monotonic: Callable[[], float] = field(default=time.monotonic)

    async def require_database(self) -> None:
        """Return if a row could be written, and nobody was refused, within the last five seconds.

        Raises:
            DatabaseUnavailable: says why not.

        """
        await self._database.require(DatabaseUnavailable(self._late))
        refused = self.db.refusal.reason_since(time.monotonic() - self.fresh_seconds)
        if refused is not None:
            raise DatabaseUnavailable(refused, takes_no_changes=True)

    async def require_store(self) -> None:
        """Return if every root of the store could be written within the last five seconds.

        Raises:
            StoreUnavailable, DiskFull: says why not.

        """
        await self._store.require(StoreUnavailable(self._late))

    @cached_property
    def _database(self) -> _Shared:
        return _Shared(self._write_row, self.fresh_seconds, self.db.deadline_seconds, self.monotonic)

    @cached_property
    def _store(self) -> _Shared:
        return _Shared(self.store.require_writable, self.fresh_seconds, self.db.deadline_seconds, self.monotonic)

    @property
    def _late(self) -> str:
        return f"no answer within {self.db.deadline_seconds:g} s"

    @retried
    async def _write_row(self) -> None:
        async with self.db.transaction() as session:
            await touch(session)
