"""A lock of PostgreSQL's that is held while no transaction is open: for what takes longer than one may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from asyncpg import Connection

from media_analysis.db.connecting import connect
from media_analysis.db.database import Database
from media_analysis.db.faults import translated_errors
from media_analysis.errors import DatabaseUnavailable

PATIENCE_SECONDS: Final = 10.0
_TRY: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_WAIT: Final = "SELECT pg_advisory_lock(hashtextextended($1, 0))"


@dataclass
class SessionLock:
    """An advisory lock that ends with its connection, however that ends: who has it asks before it does harm."""

    db: Database
    name: str
    connection: Connection | None = None

    async def take(self, *, waits: bool) -> bool:
        """Take it on a connection of its own, and say whether it was free; who `waits` takes it once it is.

        Raises:
            DatabaseUnavailable: nobody can tell, or somebody else had it for too long.

        """
        limits = {"timeout_seconds": PATIENCE_SECONDS, "command_timeout_seconds": PATIENCE_SECONDS}
        with translated_errors():
            self.connection = await connect(self.db.address, "media-analysis", **limits, settings={})
            is_ours = await self.connection.fetchval(_WAIT if waits else _TRY, self.name) is not False
        if not is_ours:
            await self.close()
        return is_ours

    async def is_held(self) -> bool:
        """Say whether the connection is still there."""
        if self.connection is None:
            return False
        try:
            with translated_errors():
                await self.connection.execute("SELECT")
        except DatabaseUnavailable:
            return False
        return True

    async def require(self) -> None:
        """Fail where it was lost.

        Raises:
            DatabaseUnavailable: it was, with its connection.

        """
        if not await self.is_held():
            raise DatabaseUnavailable("the connection that held a lock was lost")

    async def close(self) -> None:
        """Let others have it."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with suppress(OSError):  # a server that says nothing any more; whoever has something to say goes first
                await connection.close(timeout=PATIENCE_SECONDS)


@asynccontextmanager
async def locked(db: Database, name: str) -> AsyncIterator[SessionLock]:
    """Wait for a lock, and hold it while the block runs; raises as `SessionLock.take`."""
    lock = SessionLock(db, name)
    try:
        await lock.take(waits=True)
        yield lock
    finally:
        await lock.close()
