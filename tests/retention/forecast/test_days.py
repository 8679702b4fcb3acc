"""The days on which files fall due: exact at every commit, and folded without anybody noticing."""

import asyncio
from typing import Any

from media_analysis.retention.forecast.days import fold_due_days
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, fetch

TOLD = """
    SELECT category::text, stored_on, due_on, sum(files)::bigint, sum(size_bytes)::bigint FROM due_days
    GROUP BY 1, 2, 3 HAVING sum(files) <> 0 OR sum(size_bytes) <> 0
"""
TRUE = """
    SELECT category::text, CASE WHEN NOT expiry_explicit THEN (stored_at AT TIME ZONE 'UTC')::date END,
        (due_at AT TIME ZONE 'UTC')::date, count(*), sum(size_bytes)::bigint
    FROM media_files WHERE state = 'stored' GROUP BY 1, 2, 3
"""


async def told(database: str) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in await fetch(database, TOLD)}


async def true(database: str) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in await fetch(database, TRUE)}


async def deltas(database: str) -> int:
    (row,) = await fetch(database, "SELECT count(*) AS deltas FROM due_days")
    count: int = row["deltas"]
    return count


async def fold(runtime: Runtime, *, at_least: int = 1, most: int = 1000) -> int:
    async with runtime.db.transaction() as session:
        return await fold_due_days(session, at_least=at_least, most=most)


async def store_and_delete(runtime: Runtime, store_file: StoreFile, count: int) -> None:
    """Leave two of three files; some are dated, to the same day as those that their category dates."""
    stored = [
        await store_file(
            b"x" * (number + 1),
            category=Category.FRAMES if number % 2 else Category.TEMP,
            ttl=None if number % 4 else 86_400,
        )
        for number in range(count)
    ]
    for file in stored[::3]:
        await delete_file(runtime, file.id, owner=None, actor="test")


async def test_a_fold_leaves_one_row_a_day_and_all_sums(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    await store_and_delete(runtime, store_file, 9)
    before, rows = await told(database), await deltas(database)

    saved = await fold(runtime)

    assert await told(database) == before == await true(database)
    assert await deltas(database) == len(before) == rows - saved
    assert await fold(runtime) == 0


async def test_a_few_rows_are_not_worth_a_fold(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    await store_and_delete(runtime, store_file, 4)
    rows = await deltas(database)

    assert await fold(runtime, at_least=500) == 0
    assert await deltas(database) == rows


async def test_what_is_gone_leaves_no_row(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    file = await store_file()
    await delete_file(runtime, file.id, owner=None, actor="test")

    await fold(runtime)

    assert await deltas(database) == 0


async def test_a_fold_of_some_rows_keeps_what_is_taken_away_later(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    """A part may add up to less than nothing; it still counts."""
    await store_and_delete(runtime, store_file, 6)
    truth = await true(database)

    for _ in range(12):
        await fold(runtime, most=2)
        assert await told(database) == truth


async def test_folds_and_writers_pass_each_other(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    """Two folds are open at once while a file is stored: nobody waits, and every snapshot is exact."""
    await store_and_delete(runtime, store_file, 6)

    async with runtime.db.transaction() as first:
        assert await fold_due_days(first, at_least=1) > 0
        during_one = await told(database)
        second_saved = await fold(runtime)
        await store_file(b"meanwhile", category=Category.FRAMES)
        during_both = await told(database)
        truth = await true(database)

    assert second_saved == 0
    assert during_one != during_both == truth
    assert await told(database) == truth


async def test_many_folds_and_many_writers_at_once_leave_exact_sums(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    async def fold_often() -> None:
        for _ in range(15):
            await fold(runtime)

    writers = (store_and_delete(runtime, store_file, 12) for _ in range(3))
    await asyncio.gather(fold_often(), fold_often(), *writers)

    assert await told(database) == await true(database)
