"""What PostgreSQL announces, heard on a connection that is in no pool."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from asyncpg import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from media_analysis.db.database import Database, translated_errors

CONNECT_SECONDS: Final = 5
PROVED_EVERY_SECONDS: Final = 30
"""How often the connection is asked whether it still is one: a silent one may be cut off."""


async def listen(db: Database, channel: str, *, ready: Callable[[], None], hear: Callable[[str], None]) -> NoReturn:
    """Call `hear` with every payload announced on a channel after `ready` was called; what came before is not told.

    Raises:
        DatabaseUnavailable, DatabaseRefused: the connection was not to be had, or is lost; nothing more is heard.

    """
    # Made from the pool's own URL, so that what reaches the database for one does for the other.
    engine = create_async_engine(
        db.engine.url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": CONNECT_SECONDS,
            "server_settings": {"application_name": f"media-analysis {channel}"},
        },
    )
    with translated_errors():
        async with engine.connect() as opened:
            connection = (await opened.get_raw_connection()).driver_connection
            if not isinstance(connection, Connection):
                raise TypeError("only asyncpg tells what is announced")
            await _hear_all(connection, channel, ready, hear)


async def _hear_all(
    connection: Connection, channel: str, ready: Callable[[], None], hear: Callable[[str], None]
) -> NoReturn:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _connection: lost.set())
    await connection.add_listener(channel, lambda *told: hear(told[-1]))
    ready()
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(PROVED_EVERY_SECONDS):
                await lost.wait()
        await connection.execute("SELECT 1")  # raises once the connection is lost
