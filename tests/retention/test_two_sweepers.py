"""Several sweepers at once: each file goes once, nobody waits in a circle, the ledger stays exact (promise 11)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from structlog.testing import capture_logs

from media_analysis.errors import FileGone
from media_analysis.retention.families import FileDeletion
from media_analysis.retention.records import SweepReport
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import (
    FUTURE,
    Plant,
    buried,
    claim_all,
    let_purges_lapse,
    living,
    open_purges,
    request,
    sweep,
    sweeping,
)


@pytest.fixture
async def other(settings: Settings, database: str, runtime: Runtime) -> AsyncIterator[Runtime]:
    """A second replica over the same database and store."""
    async with open_runtime(settings, database) as opened:
        yield opened


async def test_two_sweepers_share_the_work(runtime: Runtime, other: Runtime, plant: Plant, database: str) -> None:
    due = await plant(150) + await plant(150, owner="bob")
    kept = await plant(5, ends_in=FUTURE)

    reports = await asyncio.gather(*(sweep(each, batch_size=7) for each in (runtime, other)))

    assert sum(report.files for report in reports) == len(due)
    assert sum(report.errors for report in reports) == 0
    assert await buried(database) == set(due)
    assert await living(database) == set(kept)
    assert len(objects(disk_of(runtime.store).root)) == len(kept)
    assert await open_purges(database) == []


class TestWithTrash:
    """What goes into the trash leaves its category as full as it was, so that nothing else keeps sweepers apart."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "DELETION_STRATEGY": "soft"}

    @pytest.fixture
    def plant(self, plant: Plant) -> Plant:
        """Stores what becomes trash first, as the scratch that is planted elsewhere does not."""
        return partial(plant, category=Category.UPLOADS)

    async def test_sweepers_that_meet_the_same_owners_in_opposite_order_do_not_wait_in_a_circle(
        self, runtime: Runtime, other: Runtime, plant: Plant
    ) -> None:
        """Every batch holds two rules and two owners; every second batch has them the other way round."""
        for number in range(60):
            first, second = ("alice", "bob") if number % 2 else ("bob", "alice")
            ends_in = timedelta(hours=-1, seconds=10 * number)
            await plant(1, ends_in=ends_in, owner=first, explicit=True)
            await plant(1, ends_in=ends_in + timedelta(seconds=1), owner=second, explicit=False)

        with capture_logs() as logs:
            ended = await asyncio.gather(*(sweep(each, batch_size=2) for each in (runtime, other)))

        # One that PostgreSQL rolled back for the sake of the other would be run again, and end well.
        assert [said for said in logs if said["event"] == "transaction.conflicted"] == []
        assert sum(report.files_trashed for report in ended) == 120


async def test_a_sweeper_broken_off_midway_leaves_its_work_to_the_others(
    runtime: Runtime, other: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(200)
    first: list[asyncio.Task[SweepReport]] = []

    def break_off(_: SweepReport) -> None:
        first[0].cancel()

    first.append(asyncio.create_task(sweeping(runtime, batch_size=10).run(request(), progress=break_off)))
    second = asyncio.create_task(sweep(other, batch_size=10))
    await asyncio.gather(*first, second, return_exceptions=True)
    await let_purges_lapse(database)
    last = await sweep(other)

    assert first[0].cancelled()
    assert second.exception() is None
    assert last.errors == 0
    assert await buried(database) == set(due)
    assert objects(disk_of(runtime.store).root) == []
    assert await open_purges(database) == []


async def test_a_file_deleted_on_request_and_by_the_sweep_at_once_has_one_tombstone(
    runtime: Runtime, other: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = [await store_file(str(number).encode(), ttl=60) for number in range(20)]
    later = await runtime.db.now() + timedelta(minutes=2)

    answers = await asyncio.gather(
        sweep(other, now=later, batch_size=3),
        *(delete_file(runtime, file.id, owner="alice", actor="alice") for file in stored),
        return_exceptions=True,
    )

    stones = await fetch(database, "SELECT rule::text FROM tombstones")
    assert isinstance(answers[0], SweepReport)
    deleted = [answer for answer in answers if isinstance(answer, FileDeletion)]
    gone = [answer for answer in answers if isinstance(answer, FileGone)]
    assert len(deleted) + len(gone) == len(stored)
    assert len(stones) == len(stored)
    assert [stone["rule"] for stone in stones].count("requested") == len(deleted)
    assert objects(disk_of(runtime.store).root) == []


async def test_a_claim_whose_sweeper_died_is_taken_over_when_its_lease_ends(
    runtime: Runtime, other: Runtime, plant: Plant, database: str
) -> None:
    await plant(3)
    await claim_all(runtime, Category.TEMP, by="the dead")

    before = await sweep(other)
    untouched = len(objects(disk_of(runtime.store).root))
    await let_purges_lapse(database)
    after = await sweep(other)

    assert (before.files, untouched) == (0, 3)
    assert (after.files, objects(disk_of(runtime.store).root)) == (3, [])
    assert await open_purges(database) == []


async def test_what_another_process_held_when_the_sweep_passed_is_taken_before_it_ends(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    ids = await plant(30)
    elsewhere = await asyncpg.connect(database)
    held = elsewhere.transaction()
    await held.start()
    await elsewhere.execute("SELECT id FROM media_files WHERE id = ANY($1) FOR UPDATE", ids[:2])
    releasing: list[asyncio.Task[None]] = []

    def release(_: SweepReport) -> None:
        if not releasing:
            releasing.append(asyncio.create_task(held.rollback()))

    report = await sweeping(runtime, batch_size=2, workers=1).run(request(), progress=release)
    await elsewhere.close()

    assert report.files == 30
    assert await buried(database) == set(ids)
