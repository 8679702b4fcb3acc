"""What became of a COMMIT whose answer was lost: PostgreSQL knows it by the transaction's number."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

ASKED_EVERY_SECONDS: Final = 0.05
_LIFE: Final = """
    pg_postmaster_start_time()::text || coalesce((SELECT stats_reset FROM pg_stat_bgwriter)::text, '')
"""
"""Another one after a start or a failover, and after a crash, which sets back all statistics."""
_ANNOUNCED: Final = f"SELECT pg_current_xact_id_if_assigned()::text, {_LIFE}"
_ENDED: Final = text(f"""
    SELECT CASE WHEN {_LIFE} = :life THEN pg_xact_status(CAST(CAST(:number AS text) AS xid8)) ELSE 'unknown' END
""")


class CommittingConnection(asyncpg.Connection):  # type: ignore[misc] # without types
    """A connection whose COMMIT nobody calls off.

    The driver sends a cancellation for whatever is late or not awaited any more. One that meets a COMMIT which waits
    for a synchronous standby ends only the waiting: what no standby has is seen by everybody, and counts as committed.
    """

    is_committing = False

    def _cancel_current_command(self, waiter: asyncio.Future[None], *more: Any) -> None:
        if not self.is_committing:
            super()._cancel_current_command(waiter, *more)
            return
        # Later: whoever asked has yet to say why.
        asyncio.get_running_loop().call_soon(self.terminate)
        waiter.set_result(None)


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A COMMIT that is under way."""

    connection: CommittingConnection
    number: str | None
    """The transaction's number, None where it changed nothing."""
    life: str
    """The server's, from one start or crash to the next: only in it the number is this transaction's alone."""
    late: asyncio.TimerHandle
    """Gives its connection up when the answer does not come."""

    def end(self) -> None:
        """Note that it is under way no more."""
        self.late.cancel()
        self.connection.is_committing = False


@dataclass(frozen=True, slots=True)
class Commits:
    """Knows how COMMITs ended whose answer was lost, or late."""

    reader: AsyncEngine
    limit_seconds: float
    """How long an answer may take, and finding out what it would have been."""

    async def announce(self, raw: CommittingConnection) -> PendingCommit:
        """Ask by which name the transaction about to be committed will be known, and set its COMMIT a limit."""
        number, life = await raw.fetchrow(_ANNOUNCED)
        # Not cancelled: that would wait for the very connection which does not answer.
        late = asyncio.get_running_loop().call_later(self.limit_seconds, raw.terminate)
        raw.is_committing = True
        return PendingCommit(raw, number, life, late)

    async def is_committed(self, ending: PendingCommit) -> bool:
        """Say whether PostgreSQL knows a transaction as committed; one without changes has nothing to lose.

        A crash loses the numbers of transactions whose records were not on the disk yet, and gives them again: then
        nobody knows, and the caller hears that the database was away.
        """
        if ending.number is None:
            return True
        asked = {"number": ending.number, "life": ending.life}
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limit_seconds):
                while True:
                    with suppress(SQLAlchemyError, OSError):
                        async with self.reader.connect() as connection:
                            status = (await connection.execute(_ENDED, asked)).scalar_one()
                        if status != "in progress":
                            return bool(status == "committed")
                    await asyncio.sleep(ASKED_EVERY_SECONDS)
        return False


async def announce(session: AsyncSession, commits: Commits) -> PendingCommit:
    """Write what the mapper has yet to write, and announce the COMMIT that follows."""
    await session.flush()
    session.expunge_all()  # a COMMIT that seems to fail would expire what the caller is about to return
    raw = (await (await session.connection()).get_raw_connection()).driver_connection
    if not isinstance(raw, CommittingConnection):
        raise TypeError("only asyncpg's transactions are known")
    return await commits.announce(raw)
