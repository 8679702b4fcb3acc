"""What the tests of a process use one after another, as making it anew costs more than most tests do."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any, Final

import asyncpg
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.app import create_app
from media_analysis.db.database import Database, DatabaseOptions, open_database
from media_analysis.runtime import Runtime

WRITES: Final = "SHOW default_transaction_read_only"
"""Answered by a connection that is alive, with `off` unless a test made it one that only reads."""
PLACE: Final = {"root_path", "trusted_proxies", "allowed_origins"}
"""What an application is told once, when it is made."""
ZYGOTES: Final = 2
"""With the plugin of a directory's tests, and without."""


@dataclass
class Connections:
    """Idle connections to one database, lent one at a time; one that a test broke or left inside a block is closed."""

    url: str | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _idle: list[asyncpg.Connection] = field(default_factory=list)

    async def keep(self, url: str) -> None:
        """Lend connections to this database from now on."""
        await self.close()
        self.url, self._loop = url, asyncio.get_running_loop()

    @asynccontextmanager
    async def lend(self, url: str) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection in the state of a new one; to any other database it is a new one, closed at the end."""
        kept = url == self.url and asyncio.get_running_loop() is self._loop
        connection = (await self._take() if kept else None) or await asyncpg.connect(url)
        try:
            yield connection
            if kept:
                await connection.reset()
        except BaseException:
            connection.terminate()
            raise
        if kept:
            self._idle.append(connection)
        else:
            await connection.close()

    async def _take(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            try:
                if await connection.fetchval(WRITES) == "off":
                    return connection
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                pass
            connection.terminate()
        return None

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()
        self.url = self._loop = None


CONNECTIONS: Final = Connections()


@dataclass
class Pool:
    """The pool of one database's services: with its connections, what is prepared on them and compiled for them."""

    url: str
    _database: Database | None = None
    _options: DatabaseOptions | None = None
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    @asynccontextmanager
    async def lend(self, url: str, options: DatabaseOptions) -> AsyncIterator[Database]:
        """Lend it as `open_database` would open it: a new one where other options, or a test, left none to be used."""
        if url != self.url:
            async with open_database(url, options) as opened:
                yield opened
            return
        if self._database is None or options != self._options or not await _is_whole(self._database.engine):
            await self.aclose()
            self._database = await self._opened.enter_async_context(open_database(self.url, options))
            self._options = options
        engine: AsyncEngine = self._database.engine
        try:
            # Whoever listens to this engine does not listen to the next test's.
            yield Database(
                engine.execution_options(), options.deadline_seconds, self._database.address, self._database.driver
            )
        finally:
            if _lent(engine):
                await self.aclose()

    async def aclose(self) -> None:
        self._database = None
        await self._opened.aclose()


def _lent(engine: AsyncEngine) -> int:
    pool: Any = engine.pool
    return int(pool.checkedout())


async def _is_whole(engine: AsyncEngine) -> bool:
    pool: Any = engine.pool
    try:
        async with AsyncExitStack() as opened:
            for _ in range(pool.checkedin()):
                connection = await opened.enter_async_context(engine.connect())
                if await connection.scalar(text(WRITES)) != "off":
                    return False
    except Exception:  # noqa: BLE001 - whatever is wrong with it, there will be another
        return False
    return True


@dataclass
class Applications:
    """Those that are made; the routes of one take longer to prepare than most tests to run."""

    _made: list[FastAPI] = field(default_factory=list)

    def over(self, services: Runtime) -> FastAPI:
        """Return one over these services, made anew where others know other jobs, or stand elsewhere."""
        server = services.settings.server
        for made in self._made:
            was: Runtime = made.state.services
            is_there = was.settings.server.model_dump(include=PLACE) == server.model_dump(include=PLACE)
            if was.jobs.kinds == services.jobs.kinds and is_there:
                made.state.services, made.state.draining = services, False
                return made
        self._made.append(create_app(services))
        return self._made[-1]


APPLICATIONS: Final = Applications()


async def end_old_zygotes(fork_server: ForkServer) -> None:
    """End the fork servers but the latest: each is of one environment, and that of a test's own directory is past."""
    while len(fork_server._zygotes) > ZYGOTES:  # noqa: SLF001 - the service has one environment for all its life
        await fork_server._zygotes.pop(0).end()  # noqa: SLF001 - as above


def remember_what_is_installed() -> None:
    """Read the metadata of all distributions once for each path: a service does so once, and each test opens one."""
    read: Any = metadata.entry_points

    @cache
    def found(_path: tuple[str, ...], **chosen: str) -> Any:
        return read(**chosen)

    vars(metadata)["entry_points"] = lambda **chosen: found(tuple(sys.path), **chosen)
