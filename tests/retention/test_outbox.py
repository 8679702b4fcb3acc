"""Bytes that will not go, stores that vanish, answers that are lost: the outbox keeps what is left to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import Amount, of_ids
from media_analysis.errors import MarkerMismatch
from media_analysis.files import ledger
from media_analysis.retention.models import SweepStatus
from media_analysis.retention.records import SweepReport
from media_analysis.retention.sweep import SweepService
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.scheduler.appointments import PATROLS, finish_deletions
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from tests.asking import delete_file
from tests.conftest import Client, StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.files.cutting_proxy import cutting_proxy, told
from tests.oracle import inspect_everything
from tests.retention.conftest import (
    Plant,
    buried,
    claim_all,
    key_of,
    let_purges_lapse,
    living,
    open_purges,
    request,
    sweep,
    sweeping,
)


async def poison(runtime: Runtime, database: str, file_id: UUID) -> Path:
    """Put a directory in the place of an object, which no unlink removes."""
    path = disk_of(runtime.store).root / await key_of(database, file_id)
    path.unlink()
    path.mkdir()
    return path


def patient(runtime: Runtime, max_attempts: int) -> SweepService:
    return replace(runtime.retention.sweeps, deleter=replace(runtime.deletion.deleter, max_attempts=max_attempts))


async def the_open_one(database: str) -> asyncpg.Record:
    (purge,) = await open_purges(database)
    return purge


async def test_an_undeletable_object_is_retried_later_and_its_neighbours_go(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    ids = await plant(10)
    path = await poison(runtime, database, ids[4])

    first = await sweep(runtime)
    waiting = await the_open_one(database)
    at_once = await sweep(runtime)
    path.rmdir()
    path.touch()
    await let_purges_lapse(database)
    last = await sweep(runtime)

    assert (first.files, first.errors, first.status) == (9, 1, SweepStatus.COMPLETED)
    assert (waiting["tombstone_ids"], waiting["attempts"], waiting["last_error"]) == ([ids[4]], 1, "EISDIR")
    assert timedelta(0) < waiting["pause"] <= timedelta(minutes=1)
    assert (at_once.files, at_once.errors) == (0, 0)
    assert (last.files, last.errors) == (1, 0)
    assert await buried(database) == set(ids)
    assert await open_purges(database) == []


async def test_an_object_that_never_goes_becomes_a_dead_letter_that_is_shown(
    runtime: Runtime, plant: Plant, database: str, client: Client
) -> None:
    (file_id,) = await plant(1)
    await poison(runtime, database, file_id)
    pauses = []

    for _ in range(3):
        await patient(runtime, 3).run(request())
        pauses.append((await the_open_one(database))["pause"])
        await let_purges_lapse(database)
    after = await patient(runtime, 3).run(request())

    dead = await the_open_one(database)
    assert (dead["attempts"], dead["due_at"]) == (3, None)
    assert dead["dead_at"] is not None
    assert timedelta(0) < pauses[0] <= timedelta(minutes=1) < pauses[1] <= timedelta(minutes=2)
    assert (after.files, after.errors) == (0, 0)
    validation = (await client.request("GET", "/api/v1/storage/validate", by="admin")).json()
    assert not validation["valid"]
    assert "1 deletions were given up" in validation["messages"][0]
    assert "purge_dead_letters 1.0" in (await client.request("GET", "/metrics", by="admin")).text


async def test_a_marker_that_vanishes_midway_stops_the_sweep_and_nothing_is_lost(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    ids = await plant(10)
    marker = disk_of(runtime.store).root / MARKER_NAME
    content = marker.read_bytes()

    def vanish(_: SweepReport) -> None:
        marker.unlink(missing_ok=True)

    with pytest.raises(MarkerMismatch):
        await sweeping(runtime, batch_size=2, workers=1).run(request(), progress=vanish)
    stopped = await buried(database)
    marker.write_bytes(content)
    rest = await sweep(runtime)

    assert stopped == set(ids[:2])
    assert rest.files == 8
    assert objects(disk_of(runtime.store).root) == []
    (failed, _) = await fetch(database, "SELECT status::text, error FROM sweeps ORDER BY id")
    assert tuple(failed) == ("failed", "marker_mismatch")


@contextmanager
def unmounted(root: Path) -> Iterator[None]:
    """Show an empty directory where the store was."""
    away = root.with_name("away")
    root.rename(away)
    root.mkdir()
    try:
        yield
    finally:
        root.rmdir()
        away.rename(root)


async def test_a_store_unmounted_after_the_claim_confirms_nothing(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    await plant(3)
    await claim_all(runtime, Category.TEMP, by="test")
    await let_purges_lapse(database)

    with unmounted(disk_of(runtime.store).root), pytest.raises(MarkerMismatch):
        await runtime.deletion.deleter.claim_unfinished(now=await runtime.db.now())
    taken = await runtime.deletion.deleter.claim_unfinished(now=await runtime.db.now())
    assert taken is not None
    with unmounted(disk_of(runtime.store).root), pytest.raises(MarkerMismatch):
        await runtime.deletion.deleter.purge(taken)
    still_open = len(await open_purges(database))
    await let_purges_lapse(database)
    report = await sweep(runtime)

    assert still_open == 1
    assert report.files == 3
    assert objects(disk_of(runtime.store).root) == []


async def test_a_deletion_on_request_from_an_unmounted_store_is_refused(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()

    with unmounted(disk_of(runtime.store).root), pytest.raises(MarkerMismatch):
        await delete_file(runtime, stored.id, owner="alice", actor="alice")

    assert await living(database) == {stored.id}


@pytest.mark.parametrize("delivered", [True, False], ids=["after COMMIT", "before COMMIT"])
@pytest.mark.parametrize("statement", [b"INSERT INTO tombstones", b"SET confirmed_at"], ids=["tombstone", "confirm"])
async def test_a_connection_lost_while_deleting_leaves_nothing_half_done(
    settings: Settings, runtime: Runtime, plant: Plant, database: str, statement: bytes, *, delivered: bool
) -> None:
    ids = await plant(5)
    async with cutting_proxy(database) as proxy, open_runtime(settings, proxy.url) as far:
        proxy.arm(statement, delivered=delivered)

        with told(delivered=delivered):
            await sweep(far)

    assert proxy.cuts == 1
    assert await living(database) in (set(), set(ids))
    assert await inspect_everything(database, settings.store_path) == []
    await let_purges_lapse(database)
    await sweep(runtime)
    assert await buried(database) == set(ids)
    assert objects(disk_of(runtime.store).root) == []
    assert await open_purges(database) == []


async def test_a_sweep_whose_process_died_is_marked_as_interrupted_by_a_later_one(
    runtime: Runtime, database: str
) -> None:
    lost = await sweep(runtime)
    await execute(
        database,
        "UPDATE sweeps SET status = 'running', ended_at = NULL, started_at = now() - interval '6 hours 1 second'",
    )

    await sweep(runtime)

    remembered = await runtime.retention.sweeps.get(lost.id)
    assert (remembered.status, remembered.error) == (SweepStatus.FAILED, "interrupted")


async def test_what_would_take_too_long_is_told_and_removed_by_the_next_look(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    """Its lease would otherwise keep it for minutes from whoever has the time."""
    ids = await plant(3)
    path = await poison(runtime, database, ids[0])
    async with runtime.db.transaction() as session:
        batch = await runtime.deletion.deleter.begin(
            session, DeletionRequest(actor="alice"), now=await runtime.db.now(), kept_for=None
        )
        freed = [await batch.take(session, of_ids([file_id])) for file_id in ids]
        await ledger.move(session, [move for one in freed for move in one.moved])

    left = await runtime.deletion.deleter.purge_entries([one.purges[0] for one in freed], seconds=0)
    size_bytes = await sum_bytes(database, ids)
    refused = await runtime.deletion.deleter.purge_entries(freed[0].purges)
    await finish_deletions(runtime)

    assert left == Amount(3, size_bytes)
    assert refused == Amount(1, await sum_bytes(database, ids[:1]))
    assert (await the_open_one(database))["tombstone_ids"] == ids[:1]
    assert finish_deletions in PATROLS
    path.rmdir()


async def sum_bytes(database: str, ids: list[UUID]) -> int:
    (row,) = await fetch(database, "SELECT sum(size_bytes)::bigint FROM tombstones WHERE id = ANY($1)", ids)
    found: int = row[0]
    return found
