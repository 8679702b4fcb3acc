"""The driver's own connections: whatever becomes of one, the next statement is answered or refused in time."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from unittest.mock import AsyncMock

import asyncpg
import pytest
from sqlalchemy import text

from media_analysis.db import driver
from media_analysis.db.database import Database, DatabaseOptions, open_database
from media_analysis.errors import DatabaseUnavailable
from tests.conftest import execute
from tests.db.patience import PATIENCE_SECONDS, answered
from tests.db.power import Power

SHORT = DatabaseOptions(
    connect_timeout_seconds=0.5, command_timeout_seconds=0.5, statement_timeout_seconds=0.2, deadline_seconds=1
)
MINE = "SELECT pg_backend_pid() AS pid"


@pytest.fixture
async def impatient(own_database: str) -> AsyncIterator[Database]:
    async with open_database(own_database, SHORT) as database:
        yield database


async def test_a_server_that_answers_nothing_holds_nobody_for_ever(impatient: Database, own_server: Power) -> None:
    writer = impatient.driver.connection()
    for _ in range(driver.READ_CONNECTIONS):
        await answered(lambda: impatient.driver.reads.fetch(MINE))
    await answered(lambda: writer.execute(text(MINE), {}))

    async with asyncio.timeout(PATIENCE_SECONDS):
        with own_server.frozen():
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable):
                    await impatient.driver.reads.fetch(MINE)
                with pytest.raises(DatabaseUnavailable):
                    async with writer.transaction():
                        pytest.fail("nobody began it")
        read = await answered(lambda: impatient.driver.reads.fetch(MINE))
        written = await answered(lambda: writer.execute(text(MINE), {}))

    assert (len(read), len(written)) == (1, 1)


async def test_nobody_waits_for_a_server_that_answers_nothing_to_take_leave(
    impatient: Database, own_server: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "CLOSE_SECONDS", 0.1)
    writer = impatient.driver.connection()
    await answered(lambda: writer.execute(text(MINE), {}))

    async with asyncio.timeout(PATIENCE_SECONDS):
        with own_server.frozen():
            await writer.close()


async def test_what_the_server_cancels_is_a_database_that_is_late(impatient: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await impatient.driver.reads.fetch("SELECT pg_sleep(30)")


async def test_who_waits_for_all_reads_before_it_is_refused_in_time(
    own_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "LEND_SECONDS", 0.01)

    async with open_database(own_database, DatabaseOptions(connect_timeout_seconds=PATIENCE_SECONDS)) as patient:
        reads = driver.Reads(patient.driver.open, 1)
        asked: tuple[Coroutine[None, None, object], ...] = reads.fetch("SELECT pg_sleep(0.1)"), reads.fetch(MINE)
        first, second = await asyncio.gather(*asked, return_exceptions=True)

    assert not isinstance(first, BaseException)
    assert isinstance(second, DatabaseUnavailable)


async def test_a_connection_that_is_lost_within_a_transaction_is_said_to_be(
    impatient: Database, own_database: str
) -> None:
    writer = impatient.driver.connection()

    async def lose() -> None:
        async with writer.transaction():
            (row,) = await writer.execute(text(MINE), {})
            await execute(own_database, f"SELECT pg_terminate_backend({row.pid})")
            await writer.execute(text(MINE), {})

    with pytest.raises(DatabaseUnavailable):
        await lose()
    assert len(await answered(lambda: writer.execute(text(MINE), {}))) == 1


async def test_a_server_that_goes_while_a_connection_is_opened_is_away(
    impatient: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the driver says where the first message of its own meets the end of the connection.
    lost = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    monkeypatch.setattr(asyncpg.Connection, "execute", AsyncMock(side_effect=lost))

    with pytest.raises(DatabaseUnavailable):
        async with impatient.read_only() as session:
            await session.execute(text(MINE))
