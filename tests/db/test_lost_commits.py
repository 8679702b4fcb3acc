"""The answer to a COMMIT is lost, or never comes: PostgreSQL is asked how it ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text

from media_analysis.db.database import Database, DatabaseOptions, open_database
from media_analysis.errors import DatabaseUnavailable
from tests.conftest import execute, fetch
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy

COMMAND_SECONDS = 60
ADD = text("INSERT INTO lost_words VALUES ('said')")


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[CuttingProxy]:
    await execute(database, "CREATE TABLE lost_words (word text PRIMARY KEY)")
    async with cutting_proxy(database) as opened:
        yield opened
    await execute(database, "DROP TABLE lost_words")


@pytest.fixture
async def far(proxy: CuttingProxy) -> AsyncIterator[Database]:
    async with open_database(
        proxy.url, DatabaseOptions(deadline_seconds=8, command_timeout_seconds=COMMAND_SECONDS)
    ) as opened:
        yield opened


async def add_word(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(ADD)


async def add_word_directly(db: Database) -> None:
    async with db.direct_transaction() as connection:
        await connection.execute(ADD, {})


Add = Callable[[Database], Awaitable[None]]
both_ways = pytest.mark.parametrize("add", [add_word, add_word_directly], ids=["mapper", "driver"])


@both_ways
@pytest.mark.parametrize("silent", [False, True], ids=["cut", "silent"])
async def test_a_transaction_whose_commit_was_not_answered_succeeds_if_it_was_committed(
    far: Database, proxy: CuttingProxy, database: str, add: Add, *, silent: bool
) -> None:
    proxy.arm(b"lost_words", silent=silent)

    async with asyncio.timeout(COMMAND_SECONDS / 2):  # by which a COMMIT alone would be given up, too
        await add(far)

    assert proxy.cuts == 1
    assert len(await fetch(database, "SELECT FROM lost_words")) == 1


@both_ways
async def test_a_transaction_whose_commit_never_arrived_fails(
    far: Database, proxy: CuttingProxy, database: str, add: Add
) -> None:
    proxy.arm(b"lost_words", delivered=False)

    with pytest.raises(DatabaseUnavailable):
        await add(far)

    assert proxy.cuts == 1
    assert await fetch(database, "SELECT FROM lost_words") == []


@both_ways
async def test_nobody_claims_to_know_how_a_transaction_ended_whose_server_stays_away(
    far: Database, proxy: CuttingProxy, add: Add
) -> None:
    proxy.arm(b"lost_words", ends=True)

    with pytest.raises(DatabaseUnavailable, match="unless a later read shows it"):
        await add(far)


async def test_reading_has_nothing_to_lose_at_its_commit(far: Database, proxy: CuttingProxy) -> None:
    proxy.arm(b"count(*)")

    async with far.transaction() as session:
        found = (await session.execute(text("SELECT count(*) FROM lost_words"))).scalar_one()

    assert (found, proxy.cuts) == (0, 1)
