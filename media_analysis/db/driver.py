"""Statements that are repeated many times a second, asked of the driver itself: no mapper, each prepared once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final, Protocol
from weakref import WeakSet

import asyncpg
from sqlalchemy import TextClause, TextualSelect
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from media_analysis.db.commits import Commits, PendingCommit
from media_analysis.db.faults import is_away, translated_errors
from media_analysis.errors import DatabaseUnavailable

READ_CONNECTIONS: Final = 4
WRITE_CONNECTIONS: Final = 3
LEND_SECONDS: Final = 3.0
"""How long a read, or a transaction, waits for those before it."""
CLOSE_SECONDS: Final = 3.0
READ_ONLY: Final = {
    "default_transaction_read_only": "on",
    # To plan a list takes PostgreSQL eight times as long as to read it, so it is done once.
    "plan_cache_mode": "force_generic_plan",
    # Statistics know nothing of what came since they were made, and a few files are sorted rather than read in order.
    "enable_sort": "off",
}
"""What connections that only read say besides: PostgreSQL itself refuses every write, and sorts nothing."""
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
    commits: Commits

    @cached_property
    def reads(self) -> "Reads":
        return Reads(self.open, READ_CONNECTIONS)

    def connection(self, **settings: str) -> "DirectConnection":
        """Return a connection for one writer, which says this besides what all say."""
        return DirectConnection(self.open, self.commits, settings)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["DirectConnection"]:
        """Open a transaction on one of a few connections that are kept for this."""
        with translated_errors():
            async with asyncio.timeout(LEND_SECONDS):
                lent = await self._writers.get()
        try:
            async with lent.transaction():
                yield lent
        finally:
            self._writers.put_nowait(lent)

    @cached_property
    def _writers(self) -> "asyncio.LifoQueue[DirectConnection]":
        free = asyncio.LifoQueue[DirectConnection]()
        for _ in range(WRITE_CONNECTIONS):
            free.put_nowait(self.connection())
        return free


@dataclass(frozen=True)
class Reads:
    """A few connections for questions of one statement: no transaction is begun for them, and none can write.

    A statement sees one snapshot, as a transaction would.
    """

    open: Open
    size: int
    _free: "asyncio.LifoQueue[asyncpg.Connection | None]" = field(default_factory=asyncio.LifoQueue, init=False)
    """Those that nobody uses, the last used on top, and None for each that is not open."""
    _left: WeakSet[asyncpg.Connection] = field(default_factory=WeakSet, init=False)
    """Those of a server that nobody should ask any more."""
    _opened: WeakSet[asyncpg.Connection] = field(default_factory=WeakSet, init=False)

    def __post_init__(self) -> None:
        for _ in range(self.size):
            self._free.put_nowait(None)

    async def fetch(self, statement: str, *given: object) -> Sequence[asyncpg.Record]:
        """Return the rows of a statement.

        Raises:
            DatabaseUnavailable: PostgreSQL is away, or the answer was late.

        """
        with translated_errors():
            async with asyncio.timeout(LEND_SECONDS):
                connection = await self._free.get()
            try:
                if connection is None or connection.is_closed() or connection in self._left:
                    connection = await self._renew(connection)
                rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *given)
            except BaseException:
                if connection is not None:
                    connection.terminate()  # what it has yet to answer, the next statement would wait for without end
                raise
            finally:
                self._free.put_nowait(connection)
            return rows

    def leave_server(self) -> None:
        """Ask on other connections from now on: the server behind these is the primary no more."""
        self._left.update(self._opened)

    async def _renew(self, old: asyncpg.Connection | None) -> asyncpg.Connection:
        if old is not None:
            old.terminate()
        opened = await self.open(READ_ONLY)
        self._opened.add(opened)
        return opened


@dataclass
class DirectConnection:
    """One connection of one task, which writes in groups."""

    open: Open
    commits: Commits
    settings: Mapping[str, str] = field(default_factory=dict)
    _connection: asyncpg.Connection | None = None

    async def execute(self, statement: Statement, params: Mapping[str, object]) -> Sequence[Any]:
        """Run a statement and return its rows; outside a transaction it is one.

        Raises:
            DatabaseUnavailable, TransactionConflict: as in every transaction.

        """
        sql, names = _compiled(statement)
        with self._left_when_away():
            rows: Sequence[Any] = await (await self.connected()).fetch(
                sql, *(params[name] for name in names), record_class=_Row
            )
            return rows

    @asynccontextmanager
    async def transaction(self, *, durable: bool = True) -> AsyncIterator["DirectConnection"]:
        """Commit at the end of the block what it did, rolled back if it raises.

        Where the answer to the COMMIT is lost, or late, PostgreSQL is asked on another connection how it ended. What
        only locks need not be `durable`: its end is not waited for on disk, and whether it was one matters to nobody.
        """
        ending: PendingCommit | None = None
        with self._left_when_away():
            connection = await self.connected()
            try:
                await connection.execute("BEGIN" if durable else "BEGIN; SET LOCAL synchronous_commit = off")
                yield self
                ending = await self.commits.announce(connection) if durable else None
                await connection.execute("COMMIT")
            except BaseException as error:
                await _roll_back(connection, error)
                if ending is None or not is_away(error) or not await self.commits.is_committed(ending):
                    raise
            finally:
                if ending is not None:
                    ending.end()

    @contextmanager
    def _left_when_away(self) -> Iterator[None]:
        try:
            with translated_errors():
                yield
        except DatabaseUnavailable:
            if self._connection is not None:
                self._connection.terminate()  # of a server that takes no changes, perhaps, while another one does
            raise

    async def close(self) -> None:
        """Take leave of the server, which is not waited for for long."""
        if self._connection is not None:
            with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._connection.close(timeout=CLOSE_SECONDS)

    async def connected(self) -> asyncpg.Connection:
        """Return the connection, opened if it is not open."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self.open(self.settings)
        return self._connection


async def _roll_back(connection: asyncpg.Connection, error: BaseException) -> None:
    # One that has an answer outstanding would wait for it, without end, before it rolled back.
    if isinstance(error, Exception) and not is_away(error):
        with suppress(Exception):
            await connection.execute("ROLLBACK")
            return
    connection.terminate()


@cache
def _compiled(statement: Statement) -> tuple[str, Sequence[str]]:
    compiled = statement.compile(dialect=_DIALECT)
    return str(compiled), tuple(compiled.positiontup or ())
