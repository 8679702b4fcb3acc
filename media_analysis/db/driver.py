"""Statements that are repeated many times a second, asked of the driver itself: no mapper, each prepared once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final, Protocol

import asyncpg
from sqlalchemy import TextClause, TextualSelect
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from media_analysis.db.faults import translated_errors

READ_CONNECTIONS: Final = 4
READ_ONLY: Final = {"default_transaction_read_only": "on"}
"""What connections that only read say besides: PostgreSQL itself refuses every write."""
_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]
Statement = TextClause | TextualSelect
Open = Callable[[Mapping[str, str]], Awaitable[asyncpg.Connection]]


class Executes(Protocol):
    """What runs a statement within a transaction: a session of the mapper's, or a connection of the driver's."""

    async def execute(self, statement: Statement, params: Mapping[str, object]) -> Iterable[Any]: ...


class _Row(asyncpg.Record):  # type: ignore[misc] # compiled, without types
    def __getattr__(self, name: str) -> Any:
        return self[name]


@dataclass(frozen=True)
class Driver:
    """Connections beside the pool's."""

    open: Open
    """Opens one that says this besides what all say."""

    @cached_property
    def reads(self) -> "Reads":
        return Reads(self.open, READ_CONNECTIONS)

    def connection(self) -> "DirectConnection":
        """Return a connection for one writer."""
        return DirectConnection(self.open)


@dataclass(frozen=True)
class Reads:
    """A few connections for questions of one statement: no transaction is begun for them, and none can write.

    A statement sees one snapshot, as a transaction would.
    """

    open: Open
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
                    connection = await self.open(READ_ONLY)
                rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *given)
                return rows
            finally:
                self._free.put_nowait(connection)


@dataclass
class DirectConnection:
    """One connection of one task, which writes in groups."""

    open: Open
    _connection: asyncpg.Connection | None = None

    async def execute(self, statement: Statement, params: Mapping[str, object]) -> Sequence[Any]:
        """Run a statement and return its rows; outside a transaction it is one.

        Raises:
            DatabaseUnavailable, TransactionConflict: as in every transaction.

        """
        sql, names = _compiled(statement)
        with translated_errors():
            rows: Sequence[Any] = await (await self._open()).fetch(
                sql, *(params[name] for name in names), record_class=_Row
            )
            return rows

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator["DirectConnection"]:
        """Commit at the end of the block what it did, rolled back if it raises.

        What only locks need not be `durable`: its end is not waited for on disk.
        """
        with translated_errors():
            connection = await self._open()
            await connection.execute("BEGIN" if durable else "BEGIN; SET LOCAL synchronous_commit = off")
            try:
                yield self
            except BaseException:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self.open({})
        return self._connection


@cache
def _compiled(statement: Statement) -> tuple[str, Sequence[str]]:
    compiled = statement.compile(dialect=_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())
