"""All that a sweep sent to the trash comes back, however often, and by however many, it is asked for."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from media_analysis.errors import DatabaseUnavailable, SweepNotFound
from media_analysis.retention.restoring import Restoration, RestoreService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import fetch
from tests.disks import disk_of
from tests.files.conftest import eventually, objects
from tests.retention.conftest import FUTURE, Plant, buried, living, request, sweep

DAY = timedelta(hours=24)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash, where it is kept for a day."""
    all_of_it = {f"STORAGE_BREAKER_SHARE_PERCENT_{category}": "100" for category in ("UPLOADS", "FRAMES")}
    return environment | all_of_it | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "24h"}


@pytest.fixture
def plant(plant: Plant) -> Plant:
    """Stores what becomes trash first, as the scratch that is planted elsewhere does not."""
    return partial(plant, category=Category.UPLOADS)


async def test_all_that_a_large_sweep_took_comes_back(runtime: Runtime, plant: Plant, database: str) -> None:
    """The oracle then reads every byte and adds up every ledger."""
    due = await plant(4_000, ends_in=-DAY) + await plant(
        1_500, ends_in=-DAY, owner="bob", category=Category.FRAMES, explicit=False
    )
    await plant(10, ends_in=FUTURE)
    kept = objects(disk_of(runtime.store).root)

    swept = await sweep(runtime)
    undone = await runtime.retention.trash.undo(swept.id, actor="admin")
    again = await runtime.retention.trash.undo(swept.id, actor="admin")
    events = await fetch(database, "SELECT action, count(*) FROM audit_events WHERE sweep_id = $1 GROUP BY 1", swept.id)

    assert (swept.files, swept.files_trashed) == (0, len(due))
    assert (undone, again) == (Restoration(len(due), 0), Restoration(0, len(due)))
    assert objects(disk_of(runtime.store).root) == kept
    assert {tuple(row) for row in events} == {("restored", len(due)), ("undone", 2)}
    assert (await sweep(runtime)).files_trashed == 0


async def test_what_was_purged_or_restored_before_is_skipped(runtime: Runtime, plant: Plant, database: str) -> None:
    ids = await plant(5)
    swept = await sweep(runtime)
    await runtime.retention.trash.restore(ids[0], owner="alice", actor="alice")
    await delete_file(runtime, ids[1], owner="alice", actor="admin", hard=True)

    undone = await runtime.retention.trash.undo(swept.id, actor="admin")

    assert undone == Restoration(3, 2)
    assert await living(database) == set(ids) - {ids[1]}


async def test_what_another_sweep_threw_away_stays_there(runtime: Runtime, plant: Plant, database: str) -> None:
    first = await plant(3)
    undone = await sweep(runtime)
    await plant(2)
    other = await sweep(runtime)

    restored = await runtime.retention.trash.undo(undone.id, actor="admin")
    trash = await fetch(database, "SELECT trash_sweep_id FROM media_files WHERE state = 'trashed'")

    assert restored == Restoration(len(first), 0)
    assert [row["trash_sweep_id"] for row in trash] == [other.id] * 2


async def test_a_hard_sweep_a_rehearsal_and_an_unknown_sweep_leave_nothing_to_undo(
    runtime: Runtime, plant: Plant
) -> None:
    await plant(3)
    hard = replace(
        runtime.retention.sweeps,
        deleter=replace(runtime.deletion.deleter, strategy=replace(runtime.deletion.deleter.strategy, sweeps=None)),
    )
    rehearsed = await hard.run(request(dry_run=True))
    swept = await hard.run(request())

    assert await runtime.retention.trash.undo(rehearsed.id, actor="admin") == Restoration(0, 0)
    assert await runtime.retention.trash.undo(swept.id, actor="admin") == Restoration(0, 3)
    with pytest.raises(SweepNotFound):
        await runtime.retention.trash.undo(uuid4(), actor="admin")


class Interrupted(RestoreService):
    """Loses its database in the last, smaller batch, before the commit."""

    async def _restore(self, session: Any, ids: Any, **about: Any) -> None:
        await super()._restore(session, ids, **about)
        if len(ids) < self.batch_size:
            raise DatabaseUnavailable("cut")


async def test_an_undo_that_broke_off_goes_on_where_it_was(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(7)
    swept = await sweep(runtime)
    service = runtime.retention.trash

    with pytest.raises(DatabaseUnavailable):
        await Interrupted(service.db, service.otherwise, batch_size=4).undo(swept.id, actor="admin")
    halfway = await fetch(database, "SELECT state::text, count(*) FROM media_files GROUP BY 1 ORDER BY 1")
    undone = await service.undo(swept.id, actor="admin")

    assert [tuple(row) for row in halfway] == [("stored", 4), ("trashed", 3)]
    assert undone == Restoration(3, 4)


async def test_two_undos_at_once_restore_every_file_once(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(100)
    swept = await sweep(runtime)
    service = replace(runtime.retention.trash, batch_size=7)

    outcomes = await asyncio.gather(*(service.undo(swept.id, actor="admin") for _ in range(3)))

    assert sum(outcome.restored for outcome in outcomes) == 100
    events = await fetch(database, "SELECT count(*) FROM audit_events WHERE action = 'restored' GROUP BY file_id")
    assert [row[0] for row in events] == [1] * 100


async def test_undo_and_the_purging_sweep_share_out_the_trash(runtime: Runtime, plant: Plant, database: str) -> None:
    """Each file is either restored with its bytes or buried; the oracle checks that no one is both."""
    ids = await plant(300)
    swept = await sweep(runtime)
    after = await runtime.db.now() + DAY + timedelta(hours=1)
    service = replace(runtime.retention.trash, batch_size=10)

    undone, purged = await asyncio.gather(
        service.undo(swept.id, actor="admin", now=after), sweep(runtime, now=after, batch_size=10)
    )

    gone = await buried(database)
    assert gone | await living(database) == set(ids)
    assert undone == Restoration(len(ids) - len(gone), len(gone))
    assert (purged.files, purged.errors) == (len(gone), 0)


async def test_an_undo_waits_for_a_claim_and_passes_over_what_it_took(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    ids = await plant(3)
    swept = await sweep(runtime)
    elsewhere = await asyncpg.connect(database)
    claim = elsewhere.transaction()
    await claim.start()
    await elsewhere.execute("SELECT FROM media_files WHERE id = $1 FOR UPDATE", ids[1])

    undoing = asyncio.create_task(runtime.retention.trash.undo(swept.id, actor="admin"))
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%trash_sweep_id%'"

    async def waits() -> bool:
        return bool(await fetch(database, waiting))

    await eventually(waits)
    await elsewhere.execute("UPDATE media_files SET trash_sweep_id = NULL WHERE id = $1", ids[1])
    await claim.commit()
    await elsewhere.close()

    assert await undoing == Restoration(2, 1)
    assert [row["id"] for row in await fetch(database, "SELECT id FROM media_files WHERE state = 'trashed'")] == [
        ids[1]
    ]
