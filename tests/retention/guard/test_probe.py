"""One write probe for all who ask (promise 38)."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from media_analysis.errors import DatabaseUnavailable, StoreUnavailable
from media_analysis.retention.guard.probe import WriteProbe
from media_analysis.runtime import Runtime
from tests.conftest import fetch

ROW = "SELECT xmin::text FROM instance"


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def probe(runtime: Runtime, clock: Clock) -> WriteProbe:
    return WriteProbe(runtime.db, runtime.store, monotonic=clock)


async def written(database: str) -> str:
    (row,) = await fetch(database, ROW)
    return str(row["xmin"])


async def test_many_who_ask_at_once_and_within_five_seconds_cause_one_write(
    probe: WriteProbe, clock: Clock, database: str
) -> None:
    before = await written(database)
    await asyncio.gather(*(probe.require_database() for _ in range(20)))
    first = await written(database)
    clock.now += 4.9
    await probe.require_database()
    still = await written(database)
    clock.now += 0.2
    await probe.require_database()

    assert before != first == still != await written(database)


async def test_a_database_that_does_not_answer_is_told_within_the_deadline_and_is_asked_once(
    probe: WriteProbe, runtime: Runtime, clock: Clock
) -> None:
    probe = replace(probe, db=replace(runtime.db, deadline_seconds=0.05))
    asked = 0
    answering = asyncio.Event()

    async def stuck() -> None:
        nonlocal asked
        asked += 1
        await answering.wait()

    probe._database.look = stuck  # noqa: SLF001 - no PostgreSQL hangs at will

    for _ in range(3):
        with pytest.raises(DatabaseUnavailable, match="no answer within"):
            await probe.require_database()
    answering.set()
    await probe.require_database()

    assert asked == 1


async def test_a_disk_that_does_not_answer_is_told_within_the_deadline_and_costs_one_thread(
    runtime: Runtime, clock: Clock
) -> None:
    asked = 0
    answering = asyncio.Event()

    class Stuck:
        async def require_writable(self) -> None:
            nonlocal asked
            asked += 1
            await answering.wait()

    db = replace(runtime.db, deadline_seconds=0.05)
    probe = WriteProbe(db, Stuck(), monotonic=clock)  # type: ignore[arg-type]

    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="no answer within"):
            await probe.require_store()
    answering.set()
    await probe.require_store()

    assert asked == 1


async def test_whoever_was_refused_a_change_a_moment_ago_makes_the_database_unready(
    probe: WriteProbe, runtime: Runtime
) -> None:
    with pytest.raises(DatabaseUnavailable), runtime.db.refusal.noted():
        raise DatabaseUnavailable("its disk is full", takes_no_changes=True)

    with pytest.raises(DatabaseUnavailable, match="its disk is full"):
        await probe.require_database()
