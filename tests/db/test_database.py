"""Transactions on a real PostgreSQL: all or nothing, bounded in number and time, tried again where that is safe."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from media_analysis.db.database import ATTEMPTS, Database, DatabaseOptions, open_database
from media_analysis.errors import DatabaseUnavailable, Misconfigured
from tests.conftest import execute, fetch
from tests.db.patience import PATIENCE_SECONDS
from tests.reused import Pool

PATIENT = DatabaseOptions(connect_timeout_seconds=PATIENCE_SECONDS, deadline_seconds=PATIENCE_SECONDS)
DIE = text("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.fixture(autouse=True)
async def alone(pool: Pool, database: str) -> None:
    """Close what other tests' services left connected, as connections are counted here."""
    await pool.aclose()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _connections(database):  # noqa: ASYNC110 - the server ends its own side when it comes to it
            await asyncio.sleep(0.01)


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    await execute(database, "CREATE TABLE words (word text PRIMARY KEY)")
    async with open_database(database, PATIENT) as opened:
        yield opened
    await execute(database, "DROP TABLE words")


async def test_what_is_stored_is_not_told_by_errors(db: Database) -> None:
    asked = text("SELECT 1 / 0 WHERE CAST(:word AS text) <> ''")

    with pytest.raises(DBAPIError, match="division by zero") as refused:
        async with db.transaction() as session:
            await session.execute(asked, {"word": "whsec_secret"})

    assert "whsec_secret" not in str(refused.value)


async def words(database: str) -> list[str]:
    return [row["word"] for row in await fetch(database, "SELECT word FROM words ORDER BY word")]


async def add(db: Database, word: str) -> None:
    async with db.transaction() as session:
        await session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})


async def test_a_transaction_is_committed_when_its_block_ends_and_not_before(db: Database, database: str) -> None:
    async with db.transaction() as session:
        await session.execute(text("INSERT INTO words VALUES ('kept')"))
        inside = await words(database)

    assert inside == []
    assert await words(database) == ["kept"]


@pytest.mark.parametrize("error", [LookupError("a bug"), asyncio.CancelledError()])
async def test_whatever_leaves_the_block_rolls_it_back_and_stays_what_it_was(
    db: Database, database: str, error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised:  # noqa: PT012 - leaving the block is what is tested
        async with db.transaction() as session:
            await session.execute(text("INSERT INTO words VALUES ('lost')"))
            raise error

    assert raised.value is error
    assert await words(database) == []


async def test_a_cancelled_statement_gives_its_connection_back(db: Database, database: str) -> None:
    async def wait_long() -> None:
        async with db.transaction() as session:
            await session.execute(text("INSERT INTO words VALUES ('lost')"))
            await session.execute(text("SELECT pg_sleep(60)"))

    waiting = asyncio.create_task(wait_long())
    await _until_active(database, "pg_sleep")
    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert _pool(db).checkedout() == 0
    assert await words(database) == []


async def test_postgresql_itself_refuses_writes_in_a_read_only_transaction(db: Database, database: str) -> None:
    with pytest.raises(DBAPIError, match="cannot execute INSERT in a read-only transaction"):
        async with db.read_only() as session:
            await session.execute(text("INSERT INTO words VALUES ('refused')"))

    assert await words(database) == []


async def test_a_read_only_transaction_sees_one_snapshot(db: Database) -> None:
    count = text("SELECT count(*) FROM words")
    async with db.read_only() as session:
        before = (await session.execute(count)).scalar_one()
        await add(db, "new")
        after = (await session.execute(count)).scalar_one()

    assert (before, after) == (0, 0)


async def test_no_connection_outlives_its_database_though_it_was_lent_when_the_database_closed(database: str) -> None:
    async with open_database(database, DatabaseOptions()) as db:
        lent = await db.engine.connect()
        raw = (await lent.get_raw_connection()).driver_connection
    with suppress(DBAPIError):
        await lent.close()

    assert isinstance(raw, asyncpg.Connection)
    assert raw.is_closed()


@pytest.mark.parametrize("losses", range(ATTEMPTS))
async def test_work_is_tried_again_after_a_lost_connection(db: Database, database: str, losses: int) -> None:
    attempts = 0

    async def work() -> str:
        nonlocal attempts
        attempts += 1
        async with db.transaction() as session:
            await session.execute(text("INSERT INTO words VALUES ('once')"))
            if attempts <= losses:
                await session.execute(DIE)
        return "done"

    assert await db.retry(work) == "done"
    assert attempts == losses + 1
    assert await words(database) == ["once"]


async def test_work_is_given_up_after_three_attempts_with_growing_pauses(db: Database) -> None:
    moments: list[float] = []

    async def work() -> None:
        moments.append(time.monotonic())
        async with db.transaction() as session:
            await session.execute(DIE)

    with pytest.raises(DatabaseUnavailable):
        await db.retry(work)

    assert len(moments) == ATTEMPTS
    assert moments[1] - moments[0] >= 0.1
    assert moments[2] - moments[1] >= 0.3


async def test_an_error_that_is_no_lost_connection_is_not_tried_again(db: Database) -> None:
    await add(db, "known")
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        await add(db, "known")

    with pytest.raises(IntegrityError):
        await db.retry(work)

    assert attempts == 1


async def test_attempts_end_with_the_deadline(database: str) -> None:
    async with open_database(database, DatabaseOptions(deadline_seconds=0.3)) as db:
        started = time.monotonic()

        async def work() -> None:
            async with db.transaction() as session:
                await session.execute(text("SELECT pg_sleep(60)"))

        with pytest.raises(DatabaseUnavailable, match=r"no answer within 0\.3 s"):
            await db.retry(work)

        assert time.monotonic() - started < 30
        assert _pool(db).checkedout() == 0


async def test_the_pool_grows_to_its_limit_and_the_next_caller_waits_no_longer_than_allowed(
    database: str,
) -> None:
    async with open_database(database, DatabaseOptions(connect_timeout_seconds=3)) as db:
        async with AsyncExitStack() as held:
            for _ in range(20):
                session = await held.enter_async_context(db.transaction())
                await session.execute(text("SELECT 1"))
            open_at_most = await _connections(database)
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await db.now()
            waited = time.monotonic() - started
        await db.now()
        left_open = _pool(db).checkedin()

    assert open_at_most == left_open == 20
    assert 2.9 < waited < PATIENCE_SECONDS


async def test_a_caller_that_waits_gets_the_connection_another_gives_back(database: str) -> None:
    options = DatabaseOptions(pool_min=1, pool_max=1, connect_timeout_seconds=PATIENCE_SECONDS)
    async with open_database(database, options) as db:
        async with db.transaction() as session:
            await session.execute(text("SELECT 1"))
            waiting = asyncio.create_task(db.now())
            await asyncio.sleep(0)
        instant = await waiting

        assert instant.tzinfo is not None
        assert await _connections(database) == 1


@pytest.mark.parametrize(
    "options",
    [DatabaseOptions(statement_timeout_seconds=2), DatabaseOptions(command_timeout_seconds=2)],
    ids=["server", "client"],
)
async def test_a_statement_that_takes_too_long_is_ended_and_the_pool_stays_usable(
    database: str, options: DatabaseOptions
) -> None:
    async with open_database(database, options) as db:
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            async with db.transaction() as session:
                await session.execute(text("SELECT pg_sleep(60)"))
        took = time.monotonic() - started
        await db.now()

    assert took < 30


async def test_every_connection_speaks_utc_and_names_the_service(db: Database, database: str) -> None:
    async with db.transaction() as session:
        zone = (await session.execute(text("SHOW timezone"))).scalar_one()
        name = (await session.execute(text("SHOW application_name"))).scalar_one()

    assert (zone, name) == ("UTC", "media-analysis")


async def test_a_server_nobody_listens_at_is_unavailable() -> None:
    async with open_database("postgresql://someone:secret@127.0.0.1:1/any", DatabaseOptions()) as db:
        with pytest.raises(DatabaseUnavailable) as refusal:
            await db.now()

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("part", [{"password": "wrong"}, {"username": "stranger"}, {"database": "missing"}])
async def test_a_server_that_refuses_us_is_a_matter_of_configuration(database: str, part: dict[str, Any]) -> None:
    url = make_url(database).set(**part).render_as_string(hide_password=False)

    async with open_database(url, DatabaseOptions()) as db:
        with pytest.raises(Misconfigured, match="DATABASE_URL") as refusal:
            await db.now()

    assert "wrong" not in str(refusal.value)


def _pool(db: Database) -> QueuePool:
    pool = db.engine.pool
    assert isinstance(pool, QueuePool)
    return pool


async def _connections(database: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'media-analysis'"
    rows = await fetch(database, query, make_url(database).database)
    count: int = rows[0]["count"]
    return count


async def _until_active(database: str, part: str) -> None:
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND query LIKE $2 AND pid <> pg_backend_pid()"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await fetch(database, query, make_url(database).database, f"%{part}%"):  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(0.01)
