"""Stores to which a write may come late: what was deleted is deleted again once none can come any more."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.retention.trail import DeletionFilter
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.paired import PairedStore
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import registration
from tests.retention.conftest import Plant, let_purges_lapse, open_purges, request, sweep, sweeping

DAY: Final = timedelta(days=1)


class LateDisk(DiskStore):
    """A disk whose names may come back, as keys of an object store do."""

    def late_writes(self, key: str) -> timedelta | None:  # type: ignore[override]
        del key
        return DAY


@pytest.fixture
def late(runtime: Runtime) -> Iterator[Runtime]:
    disk = disk_of(runtime.store)
    store = LateDisk(disk.places, disk.instance_id)
    yield replace(runtime, store=store)
    store.close()


def write_late(late: Runtime, key: str) -> Path:
    path = disk_of(late.store).path_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"late")
    return path


async def abandon(late: Runtime, database: str) -> str:
    """Leave an upload pending whose writer is gone, and return its key."""
    asked = registration(category=Category.UPLOADS)
    await late.upload_transactions.register(asked)
    await execute(database, "UPDATE media_files SET leased_until = now(), due_at = now() WHERE state = 'pending'")
    return asked.key


async def test_what_an_abandoned_upload_wrote_late_goes_a_day_later(late: Runtime, database: str) -> None:
    key = await abandon(late, database)

    await sweep(late)
    path = write_late(late, key)
    (second,) = await open_purges(database)
    at_once = await sweep(late)
    backlog = await late.retention.status.backlog()
    report = await VerifyService(late.db, late.store).run(VerifyRequest(actor="test", grace=timedelta(0)))
    stands = path.exists()
    await let_purges_lapse(database)
    await sweep(late)

    assert DAY - timedelta(minutes=1) < second["pause"] <= DAY
    assert (at_once.files, backlog.open_purges, dict(report.problems), stands) == (0, 0, {}, True)
    assert not path.exists()
    assert await open_purges(database) == []


async def test_what_was_created_long_ago_may_have_been_put_lately(late: Runtime, plant: Plant, database: str) -> None:
    await plant(3)
    await execute(database, "UPDATE media_files SET created_at = now() - interval '9 days'")

    swept = await sweep(late)

    assert (swept.files, [purge["again"] for purge in await open_purges(database)]) == (3, [True])


async def test_a_second_deletion_waits_for_the_end_of_a_pause(late: Runtime, database: str) -> None:
    key = await abandon(late, database)
    await sweep(late)
    path = write_late(late, key)
    await let_purges_lapse(database)
    pause = await late.deletion.pauses.pause(category=Category.UPLOADS, reason="a backup", by="admin")

    await sweep(late)
    kept = path.exists()
    await late.deletion.pauses.resume(pause.id, confirm=0, by="admin")
    await sweep(late)

    assert (kept, path.exists()) == (True, False)


async def test_a_second_deletion_that_fails_is_tried_again_and_no_third_follows(late: Runtime, database: str) -> None:
    key = await abandon(late, database)
    await sweep(late)
    path = write_late(late, key)
    path.unlink()
    path.mkdir()
    await let_purges_lapse(database)

    await sweep(late)
    (failed,) = await open_purges(database)
    path.rmdir()
    await let_purges_lapse(database)
    await sweep(late)

    assert (failed["last_error"], failed["again"]) == ("EISDIR", True)
    assert await open_purges(database) == []


async def test_a_second_deletion_is_told_nowhere_as_bytes_that_went_or_are_still_to_go(
    late: Runtime, plant: Plant, database: str
) -> None:
    await plant(3)

    first = await sweep(late)
    waiting = await late.retention.trail.deletions(DeletionFilter(unpurged=True), after=None, limit=10)
    await let_purges_lapse(database)
    rehearsed = await sweeping(late).run(request(dry_run=True))
    second = await sweep(late)

    assert (first.files, [stone.id for stone in waiting.stones]) == (3, [])
    assert (rehearsed.files, rehearsed.size_bytes) == (0, 0)
    assert (second.files, second.size_bytes, await open_purges(database)) == (0, 0, [])


async def test_what_goes_from_a_disk_goes_once_though_its_archives_lie_where_writes_come_late(
    runtime: Runtime, late: Runtime, plant: Plant, database: str
) -> None:
    await plant(2)
    await plant(1, category=Category.ARCHIVES)

    swept = await sweep(replace(runtime, store=PairedStore(runtime.store, late.store)))
    waiting = await fetch(
        database, "SELECT stone.category FROM purges JOIN tombstones AS stone ON stone.id = ANY(tombstone_ids)"
    )

    assert swept.files == 3
    assert [row["category"] for row in waiting] == ["archives"]


async def test_a_secure_deletion_keeps_the_instant_at_which_its_bytes_went(
    late: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file(b"secret")
    await delete_file(late, file.id, owner=None, actor="test", secure=True)
    (before,) = await fetch(database, "SELECT purged_at FROM tombstones")
    await let_purges_lapse(database)

    await sweep(late)

    assert before["purged_at"] is not None
    assert await fetch(database, "SELECT purged_at FROM tombstones") == [before]
    assert await open_purges(database) == []


async def test_what_was_restored_meanwhile_is_not_waited_for(late: Runtime, plant: Plant, database: str) -> None:
    await plant(2)
    await sweep(late)
    await execute(database, "DELETE FROM tombstones")
    await let_purges_lapse(database)

    await sweep(late)

    assert await open_purges(database) == []
    assert await fetch(database, "SELECT 1 FROM media_files") == []
