"""What the trash holds comes back as it was: one file, those of a job, or all that a sweep took."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from media_analysis.errors import (
    FileGone,
    FileHeld,
    FileNotFound,
    FileNotTrashed,
    JobNotFound,
)
from media_analysis.files.models import MediaFile
from media_analysis.retention.restoring import Restoration
from media_analysis.runtime import Runtime
from media_analysis.states import FOREVER, FileState
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.retention.conftest import Plant, sweep
from tests.retention.jobs import add_job

DAY = timedelta(hours=24)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash, where it is kept for a day."""
    return environment | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "24h"}


async def row_of(database: str, file_id: UUID) -> dict[str, Any]:
    (row,) = await fetch(database, "SELECT * FROM media_files WHERE id = $1", file_id)
    return dict(row)


async def events_of(database: str, file_id: UUID) -> list[asyncpg.Record]:
    return await fetch(database, "SELECT * FROM audit_events WHERE file_id = $1 ORDER BY id", file_id)


async def trash(runtime: Runtime, file: MediaFile) -> None:
    await delete_file(runtime, file.id, owner="alice", actor="alice", reason="by mistake")


async def restore(runtime: Runtime, file_id: UUID, *, now: datetime | None = None) -> MediaFile:
    return await runtime.retention.trash.restore(file_id, owner="alice", actor="alice", now=now)


async def test_a_restored_file_is_what_it_was(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    file = await store_file(b"precious", ttl=3600)
    before = await row_of(database, file.id)
    await trash(runtime, file)

    restored = await restore(runtime, file.id)

    assert restored.state is FileState.STORED
    assert await row_of(database, file.id) == before | {"version": before["version"] + 2}
    _, reader = await runtime.files.catalog.open(file.id, owner="alice")
    assert b"".join([chunk async for chunk in reader.read(0, reader.size_bytes)]) == b"precious"


async def test_its_way_is_told_by_the_audit_trail(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    file = await store_file()
    await trash(runtime, file)
    trashed = await row_of(database, file.id)

    await restore(runtime, file.id)

    thrown, restored = await events_of(database, file.id)
    assert (thrown["action"], restored["action"]) == ("trashed", "restored")
    assert (restored["actor"], restored["owner"], restored["rule"]) == ("alice", "alice", "requested")
    assert datetime.fromisoformat(json.loads(restored["details"])["trashed_at"]) == trashed["trashed_at"]


@pytest.mark.parametrize(
    ("category", "lifetime"), [(Category.UPLOADS, timedelta(days=7)), (Category.OUTPUTS, DAY)], ids=str
)
async def test_a_file_that_expired_in_the_trash_gets_a_new_end(
    runtime: Runtime, store_file: StoreFile, database: str, category: Category, lifetime: timedelta
) -> None:
    """Its category's lifetime, or, where that is indefinite, as long as the trash keeps."""
    file = await store_file(ttl=60, category=category)
    later = await runtime.db.now() + timedelta(hours=1)
    await trash(runtime, file)

    restored = await restore(runtime, file.id, now=later)

    assert (restored.expires_at, restored.expiry_explicit) == (later + lifetime, True)
    assert restored.due_at == later + lifetime
    assert (await sweep(runtime, now=later)).files_trashed == 0


async def test_a_file_without_an_end_has_none_afterwards(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file(category=Category.OUTPUTS)
    await trash(runtime, file)

    restored = await restore(runtime, file.id)

    assert (restored.expires_at, restored.due_at, restored.expiry_explicit) == (None, None, False)


@pytest.mark.parametrize("column", ["held_until", "job_held_until"])
async def test_a_file_that_is_held_is_not_due_after_its_restoration(
    runtime: Runtime, store_file: StoreFile, database: str, column: str
) -> None:
    file = await store_file(ttl=60)
    await trash(runtime, file)
    await execute(database, f"UPDATE media_files SET {column} = 'infinity', due_at = NULL")

    restored = await restore(runtime, file.id, now=await runtime.db.now() + timedelta(hours=1))

    assert restored.due_at is None
    assert getattr(restored, column) == FOREVER


@pytest.mark.parametrize("column", ["held_until", "job_held_until"])
async def test_a_restored_file_that_is_held_for_a_while_is_due_when_its_hold_ends(
    runtime: Runtime, store_file: StoreFile, database: str, column: str
) -> None:
    file = await store_file(ttl=3600)
    until = await runtime.db.now() + DAY
    await trash(runtime, file)
    await execute(database, f"UPDATE media_files SET {column} = '{until.isoformat()}', due_at = '{until.isoformat()}'")

    restored = await restore(runtime, file.id)
    early = await sweep(runtime, now=until - timedelta(microseconds=1))
    due = await sweep(runtime, now=until)

    assert restored.due_at == until
    assert (early.files_trashed, due.files_trashed) == (0, 1)


async def test_a_minimum_that_still_runs_moves_when_it_is_due(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file(ttl=3600)
    await trash(runtime, file)
    await execute(database, "UPDATE media_files SET min_retain_until = now() + interval '1 day'")

    restored = await restore(runtime, file.id)

    assert restored.due_at == restored.min_retain_until != restored.expires_at


async def test_only_what_lies_in_the_trash_is_restored(runtime: Runtime, store_file: StoreFile, plant: Plant) -> None:
    stored, purged = await store_file(), await store_file()
    (expired,) = await plant()
    await delete_file(runtime, purged.id, owner="alice", actor="alice", hard=True)

    with pytest.raises(FileNotTrashed):
        await restore(runtime, stored.id)
    with pytest.raises(FileGone):
        await restore(runtime, expired)
    with pytest.raises(FileGone):
        await restore(runtime, purged.id)
    with pytest.raises(FileNotFound):
        await restore(runtime, uuid4())


async def test_a_strangers_trash_is_unknown(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file()
    await trash(runtime, file)

    with pytest.raises(FileNotFound):
        await runtime.retention.trash.restore(file.id, owner="bob", actor="bob")


async def test_the_trash_of_a_job_comes_back_together(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    job_id = await add_job(database)
    files = [await store_file(str(number).encode(), job_id=job_id) for number in range(5)]
    other = await store_file()
    for file in [*files[:3], other]:
        await trash(runtime, file)
    service = replace(runtime.retention.trash, batch_size=2)

    first = await service.restore_job(job_id, owner="alice", actor="alice")
    again = await service.restore_job(job_id, owner=None, actor="admin")

    assert (first, again) == (Restoration(3, 0), Restoration(0, 0))
    assert [(await row_of(database, file.id))["state"] for file in [*files, other]] == ["stored"] * 5 + ["trashed"]
    for owner, asked in (("bob", job_id), ("alice", uuid4())):
        with pytest.raises(JobNotFound):
            await service.restore_job(asked, owner=owner, actor="bob")


async def test_a_hold_without_an_end_stands_against_a_deletion(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file()
    await execute(database, "UPDATE media_files SET held_until = 'infinity', due_at = NULL")

    with pytest.raises(FileHeld) as refused:
        await trash(runtime, file)

    assert refused.value.until is None
