"""Group commit: one flush for many callers, one answer for each."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from media_analysis.db.group import GroupCommit

PATIENCE_SECONDS = 60


class Recorder:
    """A flush that answers with doubles, keeps the groups it saw, and waits at a gate."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(items))
        await self.gate.wait()
        return [ValueError(f"{item} is odd") if item % 2 else 2 * item for item in items]


async def submitted(group: GroupCommit[Any, Any], *items: object) -> list[asyncio.Task[Any]]:
    """Submit and let the callers run up to their wait."""
    tasks = [asyncio.create_task(group.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_every_caller_gets_its_own_answer_or_error() -> None:
    group = GroupCommit[int, int](Recorder())

    answers = await asyncio.gather(*(group.submit(item) for item in (4, 3, 2)), return_exceptions=True)

    assert (answers[0], answers[2]) == (8, 4)
    assert isinstance(answers[1], ValueError)
    assert str(answers[1]) == "3 is odd"


async def test_what_arrives_during_a_flush_forms_the_next_group() -> None:
    flush = Recorder()
    flush.gate.clear()
    group = GroupCommit[int, int](flush)
    first = await submitted(group, 0)
    await asyncio.sleep(0)
    later = await submitted(group, 2, 4, 6)

    flush.gate.set()
    answers = await asyncio.gather(*first, *later)

    assert flush.groups == [[0], [2, 4, 6]]
    assert answers == [0, 4, 8, 12]


async def test_who_asks_again_in_the_moment_of_an_answer_is_answered() -> None:
    group = GroupCommit[int, int](Recorder())

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [await group.submit(item) for item in (2, 4, 6)] == [4, 8, 12]


async def test_a_group_is_never_larger_than_allowed() -> None:
    flush = Recorder()
    group = GroupCommit[int, int](flush, most=2)

    await asyncio.gather(*(group.submit(item) for item in (0, 2, 4, 6, 8)))

    assert flush.groups == [[0, 2], [4, 6], [8]]


async def test_a_group_weighs_no_more_than_allowed_but_for_its_last() -> None:
    flush = Recorder()
    group = GroupCommit[int, int](flush, most=10, weigh=lambda item: item)

    await asyncio.gather(*(group.submit(item) for item in (4, 8, 2, 20, 6)))

    assert flush.groups == [[4, 8], [2, 20], [6]]


async def test_several_writers_share_what_waits() -> None:
    flush = Recorder()
    flush.gate.clear()
    group = GroupCommit[int, int](flush, writers=2)
    tasks = await submitted(group, 0, 2, 4, 6)
    for _ in range(2):  # one writer starts the next
        await asyncio.sleep(0)
    at_once = list(flush.groups)

    flush.gate.set()
    await asyncio.gather(*tasks)

    assert at_once == [[0, 2], [4, 6]]


async def test_who_asks_again_as_soon_as_answered_is_waited_for() -> None:
    flush = Recorder()
    group = GroupCommit[int, int](flush, gathers_seconds=PATIENCE_SECONDS)

    async def ask_twice(item: int) -> None:
        await group.submit(item)
        for _ in range(item):  # each comes a little later than the one before
            await asyncio.sleep(0)
        await group.submit(item)

    await asyncio.gather(*(ask_twice(item) for item in (0, 2, 4)))

    assert flush.groups == [[0, 2, 4], [0, 2, 4]]


async def test_who_does_not_ask_again_holds_nobody_up() -> None:
    flush = Recorder()
    group = GroupCommit[int, int](flush, gathers_seconds=0.001)

    await asyncio.gather(*(group.submit(item) for item in (0, 2)))
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await group.submit(4)

    assert (answer, flush.groups) == (8, [[0, 2], [4]])


async def test_the_answer_of_a_cancelled_caller_is_discarded_and_its_neighbours_get_theirs() -> None:
    flush, discarded = Recorder(), list[int]()
    flush.gate.clear()
    group = GroupCommit[int, int](flush, discard=discarded.append)
    kept, cancelled = await submitted(group, 2, 4)
    await asyncio.sleep(0)

    cancelled.cancel()
    await asyncio.wait([cancelled])
    flush.gate.set()

    assert await kept == 4
    assert discarded == [8]


async def test_a_flush_that_fails_as_a_whole_tells_every_caller_and_the_next_group_goes_on() -> None:
    async def fail_once(items: Sequence[int]) -> Sequence[int | Exception]:
        if 0 in items:
            raise ConnectionError("away")
        return list(items)

    group = GroupCommit[int, int](fail_once)
    refused = await asyncio.gather(group.submit(0), group.submit(1), return_exceptions=True)

    assert [type(answer) for answer in refused] == [ConnectionError, ConnectionError]
    assert await group.submit(2) == 2


async def test_closing_waits_for_what_was_submitted() -> None:
    flush = Recorder()
    flush.gate.clear()
    group = GroupCommit[int, int](flush)
    (task,) = await submitted(group, 2)
    closing = asyncio.create_task(group.close())
    await asyncio.sleep(0)
    ended_early = closing.done()

    flush.gate.set()
    await closing

    assert not ended_early
    assert await task == 4


@pytest.fixture
async def engine(database: str) -> Any:
    engine = create_async_engine(make_url(database).set(drivername="postgresql+asyncpg"))
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE numbers (number bigint CHECK (number >= 0))"))
    yield engine
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE numbers"))
    await engine.dispose()


@pytest.mark.parametrize("offenders", [{0}, {7}, {3, 4}, set(range(8))])
async def test_a_row_the_database_refuses_never_fails_its_neighbours(engine: AsyncEngine, offenders: set[int]) -> None:
    async def insert(items: Sequence[int]) -> Sequence[int | Exception]:
        async with engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO numbers SELECT unnest(CAST(:items AS bigint[]))"), {"items": list(items)}
            )
        return list(items)

    group = GroupCommit[int, int](insert)
    items = [-index if index in offenders and index else index for index in range(8)]
    items[0] = -100 if 0 in offenders else 0

    answers = await asyncio.gather(*(group.submit(item) for item in items), return_exceptions=True)
    async with engine.connect() as connection:
        stored = set((await connection.scalars(text("SELECT number FROM numbers"))).all())

    refused = [index for index, answer in enumerate(answers) if isinstance(answer, DBAPIError)]
    assert set(refused) == offenders
    assert stored == {item for item in items if item >= 0}
    assert all(isinstance(answers[index].orig.__cause__, asyncpg.CheckViolationError) for index in refused)  # type: ignore[union-attr]
