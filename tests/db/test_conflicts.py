"""Transactions that PostgreSQL rolls back for the sake of others are run again, within the deadline (promise 32)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from media_analysis.db.database import Database, DatabaseOptions, open_database, retried
from media_analysis.errors import DatabaseUnavailable, TransactionConflict
from tests.conftest import execute, fetch

MEETING = 2
RAISE = "DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{}'; END $$"


@dataclass
class Pair:
    """A service that changes two rows, one after the other, and meets another one between them."""

    db: Database
    meeting: asyncio.Barrier = field(default_factory=lambda: asyncio.Barrier(2))
    runs: int = 0

    @retried
    async def change(self, first: int, second: int) -> int:
        self.runs += 1
        meets = self.runs <= MEETING
        async with self.db.transaction() as session:
            await session.execute(text("UPDATE counters SET value = value + 1 WHERE id = :id"), {"id": first})
            if meets:
                await self.meeting.wait()
            await session.execute(text("UPDATE counters SET value = value + 1 WHERE id = :id"), {"id": second})
        return first

    @retried
    async def fail(self, state: str, times: int) -> int:
        self.runs += 1
        async with self.db.transaction() as session:
            if self.runs <= times:
                await session.execute(text(RAISE.format(state)))
        return self.runs


@pytest.fixture
async def pair(database: str) -> AsyncIterator[Pair]:
    await execute(database, "CREATE TABLE counters (id int PRIMARY KEY, value int NOT NULL DEFAULT 0)")
    await execute(database, "INSERT INTO counters (id) VALUES (1), (2)")
    async with open_database(database, DatabaseOptions(deadline_seconds=30)) as db:
        yield Pair(db)
    await execute(database, "DROP TABLE counters")


async def test_of_two_that_wait_for_each_other_both_succeed(pair: Pair, database: str) -> None:
    answers = await asyncio.gather(pair.change(1, 2), pair.change(2, 1))

    assert list(answers) == [1, 2]
    assert pair.runs == 3
    assert [row["value"] for row in await fetch(database, "SELECT value FROM counters")] == [2, 2]


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_what_postgresql_rolls_back_for_others_is_run_again(pair: Pair, state: str) -> None:
    assert await pair.fail(state, times=2) == 3


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("53100", "its disk is full"),
        ("53200", "it is out of memory"),
        ("53400", "it has reached a limit of its configuration"),
        ("58030", "it cannot read or write its own files"),
    ],
)
async def test_a_database_that_takes_no_changes_says_why(pair: Pair, state: str, reason: str) -> None:
    with pytest.raises(DatabaseUnavailable) as raised:
        await pair.fail(state, times=1)

    assert raised.value.refusal == reason


async def test_a_conflict_that_lasts_is_told_when_the_deadline_comes(database: str) -> None:
    async with open_database(database, DatabaseOptions(deadline_seconds=0.1)) as db:
        with pytest.raises(TransactionConflict, match="nothing was changed"):
            await Pair(db).fail("40P01", times=1_000)
