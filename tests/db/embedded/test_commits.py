"""A COMMIT without an answer, and a server that crashed before anybody could ask how it ended."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from media_analysis.db.database import DatabaseOptions, open_database
from media_analysis.db.embedded import embedded_server
from media_analysis.errors import DatabaseUnavailable
from tests.db.embedded.servers import DEADLINE_SECONDS, pid_of, run_statement, until
from tests.files.cutting_proxy import cutting_proxy

NUMBERS = 20
"""More than the server uses by itself between two looks."""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


async def crash(directory: Path, url: str, victim: str) -> None:
    """Kill the server, or one of its processes, and return once it answers again.

    A server that lost a process answers on until it notices, and only then ends its other connections.
    """
    postmaster = pid_of(directory)
    assert postmaster is not None
    witness = await asyncpg.connect(url)
    noticed = asyncio.Event()
    witness.add_termination_listener(lambda _: noticed.set())
    if victim == "postmaster":
        os.kill(postmaster, signal.SIGKILL)
    else:
        connection = await asyncpg.connect(url)
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        connection.terminate()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await noticed.wait()
        while True:
            try:
                await run_statement(url, "INSERT INTO words VALUES ('afterwards') RETURNING word")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.05)
            else:
                return


@pytest.mark.crash
@pytest.mark.parametrize("victim", ["postmaster", "backend"])
async def test_a_number_given_again_after_a_crash_is_not_taken_for_the_lost_transactions(
    directory: Path, victim: str
) -> None:
    options = DatabaseOptions(deadline_seconds=4 * DEADLINE_SECONDS, command_timeout_seconds=DEADLINE_SECONDS)
    async with embedded_server(directory) as server, cutting_proxy(server.url) as proxy:
        # Otherwise what is not committed might reach the disk, and its number be known, before the crash.
        for statement in ("ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"):
            await run_statement(server.url, statement)
        await run_statement(server.url, "CREATE TABLE words (word text)")
        async with open_database(proxy.url, options) as database:

            async def add_word() -> None:
                async with database.transaction() as session:
                    await session.execute(text("INSERT INTO words VALUES ('lost')"))

            await database.connect(1)
            proxy.arm(b"INSERT INTO words", delivered=False, ends=True)
            adding = asyncio.create_task(add_word())
            await until(lambda: proxy.cuts == 1)
            await crash(directory, server.url, victim)
            for _ in range(NUMBERS):
                await run_statement(server.url, "INSERT INTO words VALUES ('afterwards') RETURNING word")
            proxy.ends = False

            with pytest.raises(DatabaseUnavailable):
                await adding
        words = await run_statement(server.url, "SELECT DISTINCT word FROM words")

    assert words == ["afterwards"]


async def until_true(url: str, question: str) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await run_statement(url, question) != [True]:  # noqa: ASYNC110 - a server sets no Event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("ends", ["timed out", "cancelled"])
async def test_a_commit_that_waits_for_a_standby_is_neither_acknowledged_nor_seen_whoever_gives_up(
    directory: Path, ends: str
) -> None:
    options = DatabaseOptions(deadline_seconds=8, command_timeout_seconds=2 if ends == "timed out" else 60)
    async with embedded_server(directory) as server:
        for statement in (
            "CREATE TABLE words (word text)",
            "ALTER SYSTEM SET synchronous_standby_names = 'absent'",
            "SELECT pg_reload_conf()",
        ):
            await run_statement(server.url, statement)
        await until_true(server.url, "SELECT current_setting('synchronous_standby_names') = 'absent'")
        async with open_database(server.url, options) as database:

            async def add_word() -> None:
                async with database.transaction() as session:
                    await session.execute(text("INSERT INTO words VALUES ('unknown to the standby')"))

            await database.connect(2)
            adding = asyncio.create_task(add_word())
            await until_true(server.url, f"SELECT ({WAITING}) > 0")
            if ends == "cancelled":
                adding.cancel()
            with pytest.raises((DatabaseUnavailable, asyncio.CancelledError)):
                await adding
        words = await run_statement(server.url, "SELECT word FROM words")
        waiting = await run_statement(server.url, WAITING)

    assert (words, waiting) == ([], [1])
