"""Transactions on PostgreSQL: bounded in time, retried where that is safe, in the domain's own errors."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial, wraps
from types import MappingProxyType
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar
from weakref import WeakSet

import structlog
from asyncpg import Connection
from sqlalchemy import ColumnElement, event, func, literal, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from media_analysis.db.address import Address
from media_analysis.db.commits import Commits, PendingCommit, announce
from media_analysis.db.connecting import connect
from media_analysis.db.driver import DirectConnection, Driver
from media_analysis.db.faults import READ_ONLY, is_away, translated_errors
from media_analysis.db.statements import trace_connection, trace_engine
from media_analysis.errors import DatabaseUnavailable, TransactionConflict

Answer = TypeVar("Answer")
Given = ParamSpec("Given")

log = structlog.get_logger()
ATTEMPTS: Final = 3
FIRST_PAUSE_SECONDS: Final = 0.1
CONFLICT_PAUSE_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions:
    """How many connections there may be and how long anything may take, in seconds."""

    pool_min: int = 5
    pool_max: int = 20
    connect_timeout_seconds: float = 3
    command_timeout_seconds: float = 10
    statement_timeout_seconds: float = 10
    deadline_seconds: float = 5

    @property
    def session_settings(self) -> Mapping[str, str]:
        """What every connection says to the server."""
        return {
            "timezone": "UTC",
            "jit": "off",
            # Servers assume disks that turn, for which claims would be sorted rather than read in an index's order.
            "random_page_cost": "1.1",
            "statement_timeout": str(int(self.statement_timeout_seconds * 1000)),
            "idle_in_transaction_session_timeout": str(int(self.command_timeout_seconds * 3000)),
        }


def _name_of(work: Callable[..., object]) -> str:
    inner = work.func if isinstance(work, partial) else work
    return str(getattr(inner, "__qualname__", type(inner).__name__))


def _reading(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _new_session(engine: AsyncEngine) -> AsyncSession:
    return AsyncSession(engine, expire_on_commit=False, autoflush=False)


def clock(now: datetime | None) -> ColumnElement[datetime]:
    """Return the instant a statement decides by: the database's own unless a caller travels in time."""
    return func.now() if now is None else literal(now)


@dataclass
class Refusal:
    """When the database last took no changes, and why."""

    reason: str | None = None
    at: float = 0.0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note it if the block is refused."""
        try:
            yield
        except DatabaseUnavailable as error:
            if error.refusal is not None:
                self.reason, self.at = error.refusal, time.monotonic()
            raise

    def reason_since(self, instant: float) -> str | None:
        """Return why changes were refused at or after an instant of the monotonic clock, if they were."""
        return self.reason if self.at >= instant else None


@dataclass(frozen=True)
class Database:
    """The only way to PostgreSQL; a transaction is a `with` block that commits at its end."""

    engine: AsyncEngine
    deadline_seconds: float
    address: Address
    driver: Driver
    refusal: Refusal = field(default_factory=Refusal, init=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a read-write transaction, committed when the block ends and rolled back when it raises.

        Where the answer to the COMMIT is lost, or late, PostgreSQL is asked on another connection how it ended.
        """
        ending: PendingCommit | None = None
        with self.refusal.noted(), translated_errors():
            try:
                async with _new_session(self.engine) as session, session.begin():
                    yield session
                    ending = await announce(session, self.driver.commits)
            except Exception as error:
                if ending is None or not is_away(error) or not await self.driver.commits.is_committed(ending):
                    raise
            finally:
                if ending is not None:
                    ending.end()

    @asynccontextmanager
    async def direct_transaction(self) -> AsyncIterator[DirectConnection]:
        """Open a transaction as `transaction` does, for statements alone, which the driver itself is asked."""
        with self.refusal.noted():
            async with self.driver.transaction() as connection:
                yield connection

    @asynccontextmanager
    async def read_only(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction on one snapshot in which PostgreSQL itself refuses every write."""
        with translated_errors():
            async with _new_session(self._reader) as session, session.begin():
                yield session

    @cached_property
    def _reader(self) -> AsyncEngine:
        """The same pool, with the restrictions said in BEGIN itself, which spares every read a statement."""
        return _reading(self.engine)

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
                        return await self.over_conflicts(work)
                    except DatabaseUnavailable:
                        await asyncio.sleep(FIRST_PAUSE_SECONDS * 3**attempt)
                return await self.over_conflicts(work)
        except TimeoutError as error:
            raise DatabaseUnavailable(f"no answer within {self.deadline_seconds:g} s") from error

    async def over_conflicts(self, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """Run `work` again, within the deadline, for as long as PostgreSQL rolls it back for the sake of others.

        `work` opens its own transaction each time, and leaves nothing behind when that fails.

        Raises:
            TransactionConflict: others stood in the way until the deadline.

        """
        ends_at = time.monotonic() + self.deadline_seconds
        pause = CONFLICT_PAUSE_SECONDS
        while True:
            try:
                return await work()
            except TransactionConflict as conflict:
                log.info("transaction.conflicted", work=_name_of(work), reason=str(conflict))
                if time.monotonic() + pause >= ends_at:
                    raise
            # Of uneven length, so that two which met do not meet again.
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause *= 2

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


class _UsesDatabase(Protocol):
    @property
    def db(self) -> Database: ...


Service = TypeVar("Service", bound=_UsesDatabase)


def retried(
    work: Callable[Concatenate[Service, Given], Awaitable[Answer]],
) -> Callable[Concatenate[Service, Given], Coroutine[Any, Any, Answer]]:
    """Let a service's method, one transaction and what leads to it, run again when others stood in its way.

    PostgreSQL rolls back one of two that wait for each other (40P01), or that cannot be put in any order (40001).
    """

    @wraps(work)
    async def again(self: Service, /, *args: Given.args, **given: Given.kwargs) -> Answer:
        return await self.db.over_conflicts(partial(work, self, *args, **given))

    return again


@asynccontextmanager
async def open_database(url: str, options: DatabaseOptions) -> AsyncIterator[Database]:
    """Open a pool on `url` (`postgresql://…`); nothing connects before the first transaction."""
    address = Address.parse(url)
    opened = WeakSet[Connection]()

    async def open_one(besides: Mapping[str, str] = MappingProxyType({})) -> Connection:
        connection = await connect(
            address,
            "media-analysis",
            timeout_seconds=options.connect_timeout_seconds,
            command_timeout_seconds=options.command_timeout_seconds,
            settings={**options.session_settings, **besides},
        )
        opened.add(connection)
        trace_connection(connection)
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=open_one,
        # All of them may stay: a connection beyond the pool's size would be closed at its return and opened again.
        pool_size=options.pool_max,
        max_overflow=0,
        pool_timeout=options.connect_timeout_seconds,
        pool_use_lifo=True,
        hide_parameters=True,  # errors are logged, and what is stored may be secret
    )
    trace_engine(engine)
    driver = Driver(open_one, Commits(_reading(engine), options.deadline_seconds / 2))
    event.listen(engine.sync_engine, "handle_error", partial(_give_up, driver))
    try:
        yield Database(engine, options.deadline_seconds, address, driver)
    finally:
        try:
            await engine.dispose()
        finally:
            # Lent ones come back later, to a pool that nobody closes any more: those of work that was cancelled.
            for connection in opened:
                connection.terminate()


def _give_up(driver: Driver, context: ExceptionContext) -> None:
    """Let go of all connections to a server that became read-only: it was the primary, and another one is now."""
    state = getattr(context.original_exception, "sqlstate", None)
    reads = context.connection is not None and context.connection.get_execution_options().get("postgresql_readonly")
    if state == READ_ONLY and not reads:
        context.is_disconnect = True
        driver.reads.leave_server()
