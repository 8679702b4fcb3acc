"""The lock that lets one run work at a move at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from asyncpg import Connection

from media_analysis.db.connecting import connect
from media_analysis.db.database import Database
from media_analysis.db.faults import translated_errors
from media_analysis.db.pooling import CONNECT_SECONDS
from media_analysis.errors import DatabaseUnavailable
from media_analysis.errors.moves import MoveRefused

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('media-analysis.moves', 0))"


@dataclass
class RunLock:
    """An advisory lock that ends with its connection, however that ends: who has it asks before it does harm."""

    db: Database
    connection: Connection | None = None

    async def take(self) -> None:
        """Keep everybody else from working at a move.

        Raises:
            MoveRefused: somebody else does.
            DatabaseUnavailable: nobody can tell.

        """
        limits = {"timeout_seconds": CONNECT_SECONDS, "command_timeout_seconds": CONNECT_SECONDS}
        with translated_errors():
            self.connection = await connect(self.db.address, "media-analysis", **limits, settings={})
            is_ours = await self.connection.fetchval(_LOCK)
        if not is_ours:
            await self.close()
            raise MoveRefused("another run works at a move just now")

    async def require(self) -> None:
        """Fail where the lock was lost, and somebody else may be at work.

        Raises:
            MoveRefused: it was.

        """
        if not await self._is_held():
            raise MoveRefused("the connection to the database that kept other runs away was lost: say it again")

    async def regain(self) -> None:
        """Take the lock once more where it was lost; somebody may have been at work meanwhile. Raises as `take`."""
        if not await self._is_held():
            await self.close()
            await self.take()

    async def close(self) -> None:
        """Let others work."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.close(timeout=CONNECT_SECONDS)

    async def _is_held(self) -> bool:
        if self.connection is None:
            return False
        try:
            with translated_errors():
                await self.connection.execute("SELECT")
        except DatabaseUnavailable:
            return False
        return True


@asynccontextmanager
async def only_run(db: Database) -> AsyncIterator[RunLock]:
    """Let nobody else work at a move while the block does; raises as `RunLock.take`."""
    lock = RunLock(db)
    try:
        await lock.take()
        yield lock
    finally:
        await lock.close()
