"""The log is complete up to its horizon, whoever commits when."""

import asyncio

import asyncpg
import pytest

from media_analysis.events.horizon import EventHorizon
from media_analysis.runtime import Runtime
from tests.files.conftest import eventually

ADD = "INSERT INTO events (owner, type) SELECT 'alice', 'file.stored' FROM pg_current_xact_id() RETURNING id"


@pytest.fixture
def horizon(runtime: Runtime) -> EventHorizon:
    return EventHorizon(runtime.db)


async def settled_at(horizon: EventHorizon, expected: int) -> None:
    """Look until all is settled that was given; PostgreSQL itself may have a transaction under way."""

    async def is_settled() -> bool:
        return await horizon.look() == expected

    await eventually(is_settled)


async def test_what_is_committed_is_settled(horizon: EventHorizon, database: str) -> None:
    connection = await asyncpg.connect(database)
    added = await connection.fetchval(ADD)
    await connection.close()

    await settled_at(horizon, added)


async def test_a_transaction_under_way_holds_back_what_others_committed_behind_it(
    horizon: EventHorizon, database: str
) -> None:
    slow, fast = await asyncio.gather(*(asyncpg.connect(database) for _ in range(2)))
    await horizon.look()
    before = horizon.given
    await settled_at(horizon, before)
    under_way = slow.transaction()
    await under_way.start()
    first = await slow.fetchval(ADD)
    second = await fast.fetchval(ADD)

    held_back = [await horizon.look() for _ in range(3)]
    await under_way.commit()
    await settled_at(horizon, second)
    for connection in (slow, fast):
        await connection.close()

    assert first < second
    assert held_back == [before] * 3


async def test_one_that_began_early_and_tells_late_is_not_missed(horizon: EventHorizon, database: str) -> None:
    """Its number is older than that of events which were settled before."""
    old, young = await asyncio.gather(*(asyncpg.connect(database) for _ in range(2)))
    under_way = old.transaction()
    await under_way.start()
    await old.execute("SELECT pg_current_xact_id()")
    second = await young.fetchval(ADD)
    seen = await horizon.look()
    first_late = await old.fetchval(ADD)
    await under_way.commit()
    await settled_at(horizon, first_late)
    for connection in (old, young):
        await connection.close()

    assert seen < second < first_late
