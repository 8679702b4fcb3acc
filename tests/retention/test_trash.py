"""With a trash, what goes can be taken back first: sweeps and requests fill it, its end empties it."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.strategy import Strategy
from media_analysis.errors import FileGone, FileHeld
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import CONTENT, FUTURE, Plant, buried, request, sweep

DAY = timedelta(hours=24)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash, where it is kept for a day."""
    return environment | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "24h"}


@pytest.fixture
def plant(plant: Plant) -> Plant:
    """Stores what becomes trash first, as the scratch that is planted elsewhere does not."""
    return partial(plant, category=Category.UPLOADS)


async def trashed(database: str) -> list[asyncpg.Record]:
    return await fetch(database, "SELECT * FROM media_files WHERE state = 'trashed' ORDER BY id")


async def test_a_sweep_sends_what_is_due_to_the_trash_and_a_later_one_purges_it(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(5) + await plant(2, owner="bob", category=Category.FRAMES, explicit=False)
    await plant(3, ends_in=FUTURE)

    first = await sweep(runtime)
    in_trash = await trashed(database)
    at_once = await sweep(runtime)
    last = await sweep(runtime, now=first.started_at + DAY)

    assert (first.files, first.files_trashed, first.bytes_trashed) == (0, 7, 7 * len(CONTENT))
    assert {row["id"] for row in in_trash} == set(due)
    assert {row["trash_ends_at"] for row in in_trash} == {first.started_at + DAY}
    assert (at_once.files, at_once.files_trashed) == (0, 0)
    assert last.files == 7
    assert await buried(database) == set(due)


async def test_a_tombstone_keeps_why_a_file_went_to_the_trash(
    runtime: Runtime, plant: Plant, store_file: StoreFile, database: str
) -> None:
    (swept,) = await plant()
    asked = await store_file()
    first = await sweep(runtime)
    await delete_file(runtime, asked.id, owner="alice", actor="alice", reason="not mine")

    await sweep(runtime, now=await runtime.db.now() + DAY)

    stones = {row["id"]: row for row in await fetch(database, "SELECT *, rule::text FROM tombstones")}
    told = ("rule", "reason", "requested_by")
    assert [stones[swept][name] for name in told] == ["explicit_expiry", None, "test"]
    assert stones[swept]["sweep_id"] == first.id
    assert (stones[swept]["trashed_at"], stones[swept]["restorable_until"]) == (
        first.started_at,
        first.started_at + DAY,
    )
    assert [stones[asked.id][name] for name in told] == ["requested", "not mine", "alice"]


async def test_the_ledger_knows_how_much_of_it_is_trash(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    stored, _ = await store_file(b"12345"), await store_file(b"123")

    async def entry() -> tuple[Any, ...]:
        names = "files, size_bytes, trashed_files, trashed_bytes"
        (row,) = await fetch(database, f"SELECT {names} FROM ledger")
        return tuple(row)

    await delete_file(runtime, stored.id, owner="alice", actor="alice")
    while_in_trash = await entry()
    await sweep(runtime, now=await runtime.db.now() + DAY)

    assert while_in_trash == (2, 8, 1, 5)
    assert await entry() == (1, 3, 0, 0)


async def test_a_hold_keeps_a_file_in_the_trash(runtime: Runtime, plant: Plant, database: str) -> None:
    held, free = await plant(2)
    first = await sweep(runtime)
    await execute(database, f"UPDATE media_files SET held_until = 'infinity' WHERE id = '{held}'")

    last = await sweep(runtime, now=first.started_at + DAY)
    with pytest.raises(FileHeld):
        await delete_file(runtime, held, owner=None, actor="admin", hard=True)

    assert (last.files, await buried(database)) == (1, {free})
    assert [(row["id"], row["due_at"]) for row in await trashed(database)] == [(held, None)]


async def test_only_a_hard_deletion_takes_what_is_in_the_trash(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()
    await delete_file(runtime, stored.id, owner="alice", actor="alice")

    with pytest.raises(FileGone):
        await delete_file(runtime, stored.id, owner="alice", actor="alice")
    await delete_file(runtime, stored.id, owner=None, actor="admin", hard=True, reason="now")

    (stone,) = await fetch(database, "SELECT requested_by, reason, state::text FROM tombstones")
    assert tuple(stone) == ("admin", "now", "trashed")
    assert objects(disk_of(runtime.store).root) == []


async def test_uploads_that_were_given_up_never_see_the_trash(runtime: Runtime, plant: Plant, database: str) -> None:
    (abandoned,) = await plant()
    await execute(
        database,
        f"UPDATE media_files SET state = 'pending' WHERE id = '{abandoned}'",
        "UPDATE ledger SET files = 0, size_bytes = 0",
        "UPDATE category_usage SET size_bytes = 0",
    )

    report = await sweep(runtime)

    assert (report.files, report.files_trashed) == (1, 0)
    assert await trashed(database) == []


async def test_a_rehearsal_tells_trash_from_purge(runtime: Runtime, plant: Plant) -> None:
    await plant(3)
    first = await sweep(runtime)
    await plant(2)

    later = first.started_at + DAY
    rehearsed = await runtime.retention.sweeps.run(request(dry_run=True), now=later)
    swept = await sweep(runtime, now=later)

    assert (rehearsed.files, rehearsed.files_trashed) == (swept.files, swept.files_trashed) == (3, 2)


def test_whoever_asks_for_the_trash_gets_it() -> None:
    soft, hard = Strategy(requests=timedelta(hours=2)), Strategy(on_demand=DAY)
    plain, wish = DeletionRequest(actor="alice"), DeletionRequest(actor="alice", soft=True)

    assert (soft.kept_for(plain), soft.kept_for(wish)) == (timedelta(hours=2),) * 2
    assert (hard.kept_for(plain), hard.kept_for(wish)) == (None, DAY)


async def test_the_end_of_the_trash_is_the_one_it_had_when_the_file_went(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    """A shorter trash, configured later, moves no promise."""
    await plant(2)
    first = await sweep(runtime)
    hasty = replace(runtime.deletion.deleter, strategy=Strategy(sweeps=timedelta(0)))

    report = await replace(runtime.retention.sweeps, deleter=hasty).run(
        request(), now=first.started_at + timedelta(hours=1)
    )

    assert report.files == 0
    assert len(await trashed(database)) == 2
