"""Locks of PostgreSQL's by name: held until a transaction ends, or, for what takes longer, while none is open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from asyncpg import Connection
from asyncpg.exceptions import LockNotAvailableError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.connecting import connect
from media_analysis.db.database import Database
from media_analysis.db.faults import translated_errors
from media_analysis.errors import DatabaseUnavailable
from media_analysis.errors.operations import LockBusy

PATIENCE_SECONDS: Final = 10.0
WAIT_SECONDS: Final = 8.0
"""How long a lock is waited for that somebody else has; less than an answer, so that the two are told apart."""
_TRY: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_WAIT: Final = "SELECT pg_advisory_lock(hashtextextended($1, 0))"
_WAIT_IN_TRANSACTION: Final = text("""
    SELECT set_config('lock_timeout', :milliseconds, true), pg_advisory_xact_lock(hashtextextended(:name, 0))
""")


@dataclass(frozen=True, slots=True)
class NamedLock:
    """What only one may do at a time, and in words why somebody else cannot just now."""

    name: str
    busy: str


@dataclass
class SessionLock:
    """An advisory lock that ends with its connection, however that ends: who has it asks before it does harm."""

    db: Database
    lock: NamedLock
    connection: Connection | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def take(self, *, waits: bool) -> bool:
        """Take it on a connection of its own, and say whether it was free; who `waits` takes it once it is.

        Raises:
            DatabaseUnavailable: nobody can tell.
            LockBusy: somebody else had it for too long.

        """
        limits = {"timeout_seconds": PATIENCE_SECONDS, "command_timeout_seconds": PATIENCE_SECONDS}
        patience = {"lock_timeout": _wait_milliseconds()} if waits else {}
        with translated_errors():
            self.connection = await connect(self.db.address, "media-analysis", **limits, settings=patience)
            try:
                is_ours = await self.connection.fetchval(_WAIT if waits else _TRY, self.lock.name) is not False
            except LockNotAvailableError as error:
                raise LockBusy(self.lock.busy) from error
        if not is_ours:
            await self.close()
        return is_ours

    async def is_held(self) -> bool:
        """Say whether the connection is still there."""
        async with self._asking:  # a connection answers one at a time
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
async def locked(db: Database, lock: NamedLock) -> AsyncIterator[SessionLock]:
    """Wait for a lock, and hold it while the block runs; raises as `SessionLock.take`."""
    held = SessionLock(db, lock)
    try:
        await held.take(waits=True)
        yield held
    finally:
        await held.close()


async def lock_in(session: AsyncSession, lock: NamedLock) -> None:
    """Wait for a lock, and hold it until the transaction ends.

    Raises:
        LockBusy: somebody else had it for too long.

    """
    asked = {"name": lock.name, "milliseconds": _wait_milliseconds()}
    try:
        await session.execute(_WAIT_IN_TRANSACTION, asked)
    except DBAPIError as error:
        if error.orig is not None and isinstance(error.orig.__cause__, LockNotAvailableError):
            raise LockBusy(lock.busy) from error
        raise


def _wait_milliseconds() -> str:
    return str(int(WAIT_SECONDS * 1000))
