"""Questions of one statement each, asked of the driver itself: no transaction is begun for them, and none can write."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from media_analysis.db.faults import translated_errors

SETTINGS: Final = {"default_transaction_read_only": "on"}
"""What the connections of a `Reads` say besides: PostgreSQL itself refuses every write."""


@dataclass(frozen=True)
class Reads:
    """A few connections for statements that are repeated many times a second, prepared once on each.

    A statement sees one snapshot, as a transaction would.
    """

    connect: Callable[[], Awaitable[asyncpg.Connection]]
    size: int
    _free: "asyncio.LifoQueue[asyncpg.Connection | None]" = field(default_factory=asyncio.LifoQueue, init=False)
    """Those that nobody uses, the last used on top, and None for each that is not open."""

    def __post_init__(self) -> None:
        for _ in range(self.size):
            self._free.put_nowait(None)

    async def fetch(self, statement: str, *given: object) -> Sequence[asyncpg.Record]:
        """Return the rows of a statement.

        Raises:
            DatabaseUnavailable: PostgreSQL is away, or the answer was late.

        """
        with translated_errors():
            connection = await self._free.get()
            try:
                if connection is None or connection.is_closed():
                    connection = await self.connect()
                rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *given)
                return rows
            finally:
                self._free.put_nowait(connection)
