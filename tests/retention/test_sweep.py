"""The sweep takes what is due, all of it, in order, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from media_analysis.errors import SlotTaken
from media_analysis.retention.models import SweepStatus
from media_analysis.retention.records import CategoryTally
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import CONTENT, FUTURE, Plant, buried, living, open_purges, request, sweep, sweeping


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
async def test_all_that_is_due_goes_and_only_that(
    runtime: Runtime, plant: Plant, database: str, batch_size: int, workers: int
) -> None:
    due = await plant(20) + await plant(5, owner="bob", category=Category.CLIPS, explicit=False)
    not_due = await plant(20, ends_in=FUTURE)

    report = await sweep(runtime, batch_size=batch_size, workers=workers)

    assert await living(database) == set(not_due)
    assert await buried(database) == set(due)
    assert len(objects(disk_of(runtime.store).root)) == len(not_due)
    assert await open_purges(database) == []
    assert (report.status, report.files, report.size_bytes) == (SweepStatus.COMPLETED, 25, 25 * len(CONTENT))
    assert report.of(Category.CLIPS) == CategoryTally(files_removed=5, bytes_freed=5 * len(CONTENT))


async def test_a_file_goes_at_the_very_instant_it_is_due(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file(ttl=60)
    assert stored.expires_at is not None

    before = await sweep(runtime, now=stored.expires_at - timedelta(microseconds=1))
    at_it = await sweep(runtime, now=stored.expires_at)

    assert (before.files, at_it.files) == (0, 1)
    assert await buried(database) == {stored.id}


async def test_the_most_overdue_go_first(runtime: Runtime, plant: Plant, database: str) -> None:
    ids = await plant(9)

    report = await sweep(runtime, batch_size=1, workers=1, budget_files=4)

    assert report.status is SweepStatus.BUDGET_SPENT
    assert await buried(database) == set(ids[:4])


async def test_a_sweep_that_finds_nothing_asks_little(runtime: Runtime, plant: Plant) -> None:
    await plant(3, ends_in=FUTURE)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
    await sweep(runtime, workers=8)

    assert len(asked) <= 10 * len(Category)


@pytest.mark.parametrize("budget", [{"budget_files": 3}, {"budget_bytes": 3 * len(CONTENT)}, {"budget": timedelta(0)}])
async def test_a_spent_budget_ends_the_sweep_and_the_next_one_goes_on(
    runtime: Runtime, plant: Plant, database: str, budget: dict[str, Any]
) -> None:
    await plant(9)

    report = await sweep(runtime, batch_size=1, workers=1, **budget)
    rest = await sweep(runtime)

    assert report.status is SweepStatus.BUDGET_SPENT
    assert report.files == (0 if "budget" in budget else 3)
    assert (rest.status, rest.files) == (SweepStatus.COMPLETED, 9 - report.files)


async def test_only_the_categories_asked_for_are_swept(runtime: Runtime, plant: Plant, database: str) -> None:
    clips = await plant(2, category=Category.CLIPS)
    await plant(2)

    report = await runtime.retention.sweeps.run(request(categories=(Category.CLIPS,)))

    assert await buried(database) == set(clips)
    assert list(report.tallies) == [Category.CLIPS]


async def test_only_abandoned_uploads_go_when_only_they_are_asked_for(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    stored, abandoned = await plant(2)
    await execute(
        database,
        f"UPDATE media_files SET state = 'pending', reserved_bytes = 9 WHERE id = '{abandoned}'",
        f"UPDATE ledger SET files = 1, size_bytes = {len(CONTENT)}, reserved_bytes = 9",
        f"UPDATE category_usage SET size_bytes = {len(CONTENT)} + 9 WHERE category = 'temp'",
    )

    await runtime.retention.sweeps.run(request(only_pending=True))

    (stone,) = await fetch(database, "SELECT id, rule::text, state::text FROM tombstones")
    assert tuple(stone) == (abandoned, "upload_abandoned", "pending")
    assert await living(database) == {stored}


async def test_a_tombstone_keeps_the_facts_the_deletion_was_decided_by(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file(b"bytes", ttl=60, filename="name.txt")
    assert stored.expires_at is not None

    report = await sweep(runtime, now=stored.expires_at)

    (stone,) = await fetch(database, "SELECT * FROM tombstones")
    assert (stone["id"], stone["owner"], stone["key"], stone["filename"]) == (
        stored.id,
        "alice",
        stored.key,
        "name.txt",
    )
    assert (stone["sha256"], stone["size_bytes"], stone["state"]) == (stored.sha256, 5, FileState.STORED.value)
    assert (stone["expires_at"], stone["due_at"], stone["deleted_at"]) == (stored.expires_at,) * 3
    assert (stone["rule"], stone["requested_by"]) == ("explicit_expiry", "test")
    assert [row["sweep_id"] for row in await fetch(database, "SELECT sweep_id FROM purges")] == [report.id]


async def test_a_tick_is_answered_once_for_each_kind(runtime: Runtime, plant: Plant) -> None:
    await plant(1)
    slot = await runtime.db.now()

    await runtime.retention.sweeps.run(request(slot=slot, categories=(Category.CLIPS,)))
    with pytest.raises(SlotTaken):
        await runtime.retention.sweeps.run(request(slot=slot, categories=(Category.CLIPS,)))
    other = await runtime.retention.sweeps.run(request(slot=slot, categories=(Category.TEMP,)))

    assert other.files == 1


async def test_a_sweep_is_remembered_as_it_went(runtime: Runtime, plant: Plant) -> None:
    await plant(3)

    report = await sweeping(runtime, batch_size=2).run(request())
    remembered = await runtime.retention.sweeps.get(report.id)

    assert (remembered.files, remembered.size_bytes, remembered.errors) == (3, 3 * len(CONTENT), 0)
    assert remembered.status is SweepStatus.COMPLETED
    assert remembered.categories["temp"] == report.of(Category.TEMP).facts()
    assert remembered.ended_at is not None


async def test_the_lag_is_the_age_of_the_oldest_due_file(runtime: Runtime, plant: Plant) -> None:
    await plant(3, category=Category.CLIPS)
    await plant(1, ends_in=FUTURE)
    now = await runtime.db.now()

    late = await runtime.retention.status.backlog(now=now)
    await sweep(runtime)
    done = await runtime.retention.status.backlog(now=now)

    assert list(late.lag_seconds) == [Category.CLIPS]
    assert 3600 <= late.lag_seconds[Category.CLIPS] < 3660
    assert done.lag_seconds == {}
    assert (done.open_purges, done.dead_letters) == (0, 0)
