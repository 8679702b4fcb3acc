"""The lock that lets one run work at a move at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from media_analysis.db.database import Database
from media_analysis.db.locks import NamedLock, SessionLock
from media_analysis.errors.moves import MoveRefused

MOVES: Final = NamedLock("media-analysis.moves", "another run works at a move just now")


@dataclass(frozen=True)
class RunLock:
    """Held by the run that works at a move; it may be lost with its connection."""

    lock: SessionLock

    async def take(self) -> None:
        """Keep everybody else from working at a move.

        Raises:
            MoveRefused: somebody else does.
            DatabaseUnavailable: nobody can tell.

        """
        if not await self.lock.take(waits=False):
            raise MoveRefused(MOVES.busy)

    async def require(self) -> None:
        """Fail where the lock was lost, and somebody else may be at work.

        Raises:
            MoveRefused: it was.

        """
        if not await self.lock.is_held():
            raise MoveRefused("the connection to the database that kept other runs away was lost: say it again")

    async def regain(self) -> None:
        """Take the lock once more where it was lost; somebody may have been at work meanwhile. Raises as `take`."""
        if not await self.lock.is_held():
            await self.lock.close()
            await self.take()


@asynccontextmanager
async def only_run(db: Database) -> AsyncIterator[RunLock]:
    """Let nobody else work at a move while the block does; raises as `RunLock.take`."""
    lock = RunLock(SessionLock(db, MOVES))
    try:
        await lock.take()
        yield lock
    finally:
        await lock.lock.close()
