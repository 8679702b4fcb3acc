"""What PostgreSQL announces, heard on a connection that is in no pool."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

import structlog
from asyncpg import Connection

from media_analysis.db.connecting import connect
from media_analysis.db.database import Database
from media_analysis.db.faults import translated_errors
from media_analysis.errors import MediaAnalysisError

CONNECT_SECONDS: Final = 5
PROVED_EVERY_SECONDS: Final = 30
"""How often the connection is asked whether it still is one: a silent one may be cut off."""


FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
log = structlog.get_logger()


async def keep_listening(
    db: Database, channel: str, *, ready: Callable[[], None], hear: Callable[[str], None]
) -> NoReturn:
    """Listen as `listen` does, again whenever the connection is lost; `ready` is called each time."""
    pause = FIRST_PAUSE_SECONDS

    def is_ready() -> None:
        nonlocal pause
        pause = FIRST_PAUSE_SECONDS
        ready()

    while True:
        try:
            await listen(db, channel, ready=is_ready, hear=hear)
        except MediaAnalysisError as error:
            log.warning("channel.unheard", channel=channel, code=error.code, reason=str(error), again_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def listen(db: Database, channel: str, *, ready: Callable[[], None], hear: Callable[[str], None]) -> NoReturn:
    """Call `hear` with every payload announced on a channel after `ready` was called; what came before is not told.

    Raises:
        DatabaseUnavailable, DatabaseRefused: the connection was not to be had, or is lost; nothing more is heard.

    """
    with translated_errors():
        connection = await connect(
            db.address,
            f"media-analysis {channel}",
            timeout_seconds=CONNECT_SECONDS,
            command_timeout_seconds=CONNECT_SECONDS,
            settings={},
        )
        try:
            await _hear_all(connection, channel, ready, hear)
        finally:
            try:
                with suppress(Exception):
                    await connection.close(timeout=CONNECT_SECONDS)
            finally:
                connection.terminate()  # closing may itself be cancelled


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
