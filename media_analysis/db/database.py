"""Transactions on PostgreSQL: bounded in time, retried where that is safe, in the domain's own errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar

import asyncpg
from sqlalchemy import ColumnElement, func, literal, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from media_analysis.errors import DatabaseRefused, DatabaseUnavailable

Answer = TypeVar("Answer")

ATTEMPTS: Final = 3
FIRST_PAUSE_SECONDS: Final = 0.1
_AWAY_STATES: Final = ("08", "53300", "55P03", "57P0")
"""SQLSTATE prefixes: connection exceptions, too many connections, a lock not had in time, shutdown or start-up."""
_REFUSING_STATES: Final = ("28", "3D000")
"""SQLSTATE prefixes: who we are or which database we want is not accepted."""


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """How many connections there may be and how long anything may take, in seconds."""

    pool_min: int = 5
    pool_max: int = 20
    connect_timeout_seconds: float = 3
    command_timeout_seconds: float = 10
    statement_timeout_seconds: float = 10
    deadline_seconds: float = 5


def clock(now: datetime | None) -> ColumnElement[datetime]:
    """Return the instant a statement decides by: the database's own unless a caller travels in time."""
    return func.now() if now is None else literal(now)


@dataclass(frozen=True)
class Database:
    """The only way to PostgreSQL; a transaction is a `with` block that commits at its end."""

    engine: AsyncEngine
    deadline_seconds: float

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a read-write transaction, committed when the block ends and rolled back when it raises."""
        with translated_errors():
            async with AsyncSession(self.engine, expire_on_commit=False, autoflush=False) as session, session.begin():
                yield session

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction on one snapshot in which PostgreSQL itself refuses every write."""
        with translated_errors():
            async with AsyncSession(self._reader, expire_on_commit=False, autoflush=False) as session, session.begin():
                yield session

    @cached_property
    def _reader(self) -> AsyncEngine:
        """The same pool, with the restrictions said in BEGIN itself, which spares every read a statement."""
        return self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def retry(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Run idempotent `work`, again with backoff when the connection is lost, within the deadline.

        `work` opens its own transaction each time.

        Raises:
            DatabaseUnavailable: every attempt failed, or the deadline passed.

        """
        try:
            async with asyncio.timeout(self.deadline_seconds):
                for attempt in range(ATTEMPTS - 1):
                    try:
                        return await work()
                    except DatabaseUnavailable:
                        await asyncio.sleep(FIRST_PAUSE_SECONDS * 3**attempt)
                return await work()
        except TimeoutError as error:
            raise DatabaseUnavailable(f"no answer within {self.deadline_seconds:g} s") from error

    async def connect(self, count: int) -> None:
        """Make the pool's first connections now rather than under the first requests."""
        with translated_errors():
            async with AsyncExitStack() as opened:
                for _ in range(count):
                    await opened.enter_async_context(self.engine.connect())

    async def now(self) -> datetime:
        """Return the database's clock, the only one that decides."""
        async with self.transaction() as session:
            instant: datetime = (await session.execute(text("SELECT now()"))).scalar_one()
            return instant


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the driver says about a lost, late or refused connection into our own errors."""
    try:
        yield
    except Exception as error:
        if _is_away(error):
            raise DatabaseUnavailable(type(error).__name__) from error
        cause = _cause(error)
        if str(getattr(cause, "sqlstate", None)).startswith(_REFUSING_STATES):
            raise DatabaseRefused(str(cause)) from error
        raise


def _is_away(error: BaseException) -> bool:
    match error:
        case (
            PoolTimeout() | asyncpg.PostgresConnectionError() | asyncpg.InterfaceError() | asyncpg.InternalClientError()
        ):
            return True
        case DBAPIError():
            state = str(getattr(error.orig, "sqlstate", None) or "")
            return error.connection_invalidated or state.startswith(_AWAY_STATES) or _is_timeout(error)
        case asyncpg.PostgresError():
            return str(error.sqlstate).startswith(_AWAY_STATES)
        case OSError():
            return True
    return False


def _is_timeout(error: DBAPIError) -> bool:
    return isinstance(_cause(error), OSError | asyncpg.QueryCanceledError)


def _cause(error: BaseException) -> BaseException | None:
    """Return what the driver itself raised."""
    return error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error


@asynccontextmanager
async def open_database(url: str, options: DatabaseOptions) -> AsyncIterator[Database]:
    """Open a pool on `url` (`postgresql://…`); nothing connects before the first transaction."""
    engine = create_async_engine(
        make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+asyncpg"),
        # All of them may stay: a connection beyond the pool's size would be closed at its return and opened again.
        pool_size=options.pool_max,
        max_overflow=0,
        pool_timeout=options.connect_timeout_seconds,
        pool_use_lifo=True,
        connect_args={
            "timeout": options.connect_timeout_seconds,
            "command_timeout": options.command_timeout_seconds,
            "server_settings": {
                "application_name": "media-analysis",
                "timezone": "UTC",
                "jit": "off",
                "statement_timeout": str(int(options.statement_timeout_seconds * 1000)),
                "idle_in_transaction_session_timeout": str(int(options.command_timeout_seconds * 3000)),
            },
        },
    )
    try:
        yield Database(engine, options.deadline_seconds)
    finally:
        await engine.dispose()
