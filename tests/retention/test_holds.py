"""What is held stays, whoever asks (promise 5)."""

from datetime import timedelta

import pytest

from media_analysis.errors import FileGone, FileHeld, FileNotFound, FileNotReady
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects, registration
from tests.retention.conftest import Plant, buried, living, sweep


async def protect(database: str, file_id: object, column: str = "held_until", until: str = "1 day") -> None:
    await execute(database, f"UPDATE media_files SET {column} = now() + interval '{until}' WHERE id = '{file_id}'")


@pytest.mark.parametrize("column", ["held_until", "job_held_until", "leased_until", "min_retain_until"])
@pytest.mark.parametrize("batch_size", [1, 100])
async def test_a_protected_file_stays_until_its_protection_ends(
    runtime: Runtime, plant: Plant, database: str, column: str, batch_size: int
) -> None:
    protected, *others = await plant(5)
    await protect(database, protected, column)

    report = await sweep(runtime, batch_size=batch_size)
    (row,) = await fetch(database, f"SELECT due_at = {column} AS waits FROM media_files")
    again = await sweep(runtime)
    last = await sweep(runtime, now=await runtime.db.now() + timedelta(days=1))

    assert report.files == len(others)
    assert row["waits"]
    assert (again.files, last.files) == (0, 1)
    assert await buried(database) == {protected, *others}


async def test_a_batch_of_held_files_does_not_hide_those_behind_it(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    held, behind = await plant(4), await plant(4, ends_in=timedelta(minutes=-1))
    for file_id in held:
        await protect(database, file_id)

    report = await sweep(runtime, batch_size=4, workers=1)

    assert report.files == 4
    assert await buried(database) == set(behind)


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("held_until", "hold"),
        ("job_held_until", "hold"),
        ("leased_until", "job_lease"),
        ("min_retain_until", "minimum_retention"),
    ],
)
async def test_a_protected_file_is_not_deleted_on_request(
    runtime: Runtime, store_file: StoreFile, database: str, column: str, rule: str
) -> None:
    stored = await store_file()
    await protect(database, stored.id, column)

    with pytest.raises(FileHeld) as refused:
        await delete_file(runtime, stored.id, owner="alice", actor="alice")

    assert refused.value.rule == rule
    assert await living(database) == {stored.id}
    assert objects(disk_of(runtime.store).root) == [stored.key]


async def test_a_file_deleted_on_request_goes_with_its_bytes_and_is_gone_ever_after(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    stored = await store_file()

    await delete_file(runtime, stored.id, owner="alice", actor="alice")
    with pytest.raises(FileGone) as refused:
        await delete_file(runtime, stored.id, owner="alice", actor="alice")

    assert refused.value.rule == "requested"
    assert objects(disk_of(runtime.store).root) == []
    assert await buried(database) == {stored.id}


async def test_a_foreign_file_is_unknown_to_deletion(runtime: Runtime, store_file: StoreFile) -> None:
    stored = await store_file()

    with pytest.raises(FileNotFound):
        await delete_file(runtime, stored.id, owner="bob", actor="bob")

    assert objects(disk_of(runtime.store).root) == [stored.key]


async def test_an_expired_file_is_gone_before_the_sweep_came_by(runtime: Runtime, plant: Plant, database: str) -> None:
    (file_id,) = await plant(1)

    with pytest.raises(FileGone) as refused:
        await delete_file(runtime, file_id, owner="alice", actor="alice")

    assert refused.value.rule == "explicit_expiry"
    assert await living(database) == {file_id}


async def test_a_running_upload_cannot_be_deleted_on_request(runtime: Runtime, database: str) -> None:
    asked = registration()
    await runtime.upload_transactions.register(asked)

    with pytest.raises(FileNotReady):
        await delete_file(runtime, asked.id, owner="alice", actor="alice")

    assert await living(database) == {asked.id}


async def test_a_hold_without_an_end_is_told_as_such(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    stored = await store_file()
    await execute(database, f"UPDATE media_files SET held_until = 'infinity' WHERE id = '{stored.id}'")

    with pytest.raises(FileHeld) as refused:
        await delete_file(runtime, stored.id, owner="alice", actor="alice")

    assert refused.value.until is None
