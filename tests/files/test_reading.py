"""What may be read, and from which instant on no more (promises 4 and 9)."""

from datetime import UTC, datetime, timedelta

import pytest

from media_analysis.errors import FileGone, FileNotFound, FileNotReady, ObjectDamaged, ObjectMissing
from media_analysis.files.filters import FileFilter
from media_analysis.files.reading import select_page
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.conftest import StoreFile
from tests.disks import disk_of
from tests.files.conftest import registration
from tests.reused import CONNECTIONS

INSTANT = timedelta(microseconds=1)


async def test_a_file_is_gone_from_the_very_instant_it_expires(runtime: Runtime, store_file: StoreFile) -> None:
    stored = await store_file(ttl=60)
    assert stored.expires_at is not None

    file, reader = await runtime.files.catalog.open(stored.id, owner="alice", now=stored.expires_at - INSTANT)
    await reader.close()
    with pytest.raises(FileGone) as gone:
        await runtime.files.catalog.open(stored.id, owner="alice", now=stored.expires_at)

    assert file.id == stored.id
    assert (gone.value.rule, gone.value.gone_at, gone.value.deleted_at) == ("explicit_expiry", stored.expires_at, None)


@pytest.mark.parametrize("wanted", [FileFilter(), FileFilter(expires_before=datetime(9999, 1, 1, tzinfo=UTC))])
async def test_a_file_is_on_no_list_from_the_very_instant_it_expires(
    database: str, store_file: StoreFile, wanted: FileFilter
) -> None:
    await store_file(ttl=60)
    given: list[object] = []
    page = select_page(wanted, after=None, limit=10, given=given)

    async with CONNECTIONS.lend(database) as connection:
        transaction = connection.transaction()
        await transaction.start()  # of one instant
        found = []
        for left in ("1 microsecond", "0"):
            await connection.execute(f"UPDATE media_files SET expires_at = now() + interval '{left}'")
            found.append(len(await connection.fetch(page, *given)))
        await transaction.rollback()

    assert found == [1, 0]


async def test_a_pending_file_is_unreadable(runtime: Runtime) -> None:
    asked = registration()
    await runtime.upload_transactions.register(asked)
    (await runtime.upload_transactions.create(asked)).close()

    with pytest.raises(FileNotReady):
        await runtime.files.catalog.open(asked.id, owner="alice")


async def test_an_upload_that_was_never_acknowledged_is_unknown_afterwards(runtime: Runtime) -> None:
    asked = registration()
    await runtime.upload_transactions.register(asked)
    await runtime.deletion.deleter.discard_uploads([asked.id])

    with pytest.raises(FileNotFound):
        await runtime.files.catalog.get(asked.id, owner="alice")


async def test_a_foreign_file_is_unknown_even_when_it_is_gone(runtime: Runtime, store_file: StoreFile) -> None:
    living, deleted = await store_file(), await store_file()
    await delete_file(runtime, deleted.id, owner="alice", actor="alice")

    for file in (living, deleted):
        with pytest.raises(FileNotFound):
            await runtime.files.catalog.get(file.id, owner="bob")


async def test_a_row_whose_bytes_were_taken_away_says_so(runtime: Runtime, store_file: StoreFile) -> None:
    stored = await store_file(b"bytes")
    path = disk_of(runtime.store).root / stored.key
    path.unlink()

    with pytest.raises(ObjectMissing):
        await runtime.files.catalog.open(stored.id, owner="alice")

    path.write_bytes(b"bytes")


@pytest.mark.parametrize("found_by", ["scrub", "reader"])
async def test_a_damaged_object_is_named_by_alerts_and_by_validation_until_it_is_found_whole(
    runtime: Runtime, store_file: StoreFile, found_by: str
) -> None:
    stored = await store_file(b"bytes")
    path = disk_of(runtime.store).root / stored.key
    path.write_bytes(b"byte")

    with pytest.raises(ObjectDamaged):
        await runtime.files.catalog.open(stored.id, owner="alice")
    problems, firing = await runtime.retention.status.problems(), await runtime.alerts.check()
    path.write_bytes(b"bytes")
    if found_by == "scrub":
        await runtime.scrub.run()
    else:
        _, reader = await runtime.files.catalog.open(stored.id, owner="alice")
        await reader.close()
    mended = await runtime.alerts.check()

    assert problems == ["the store does not hold 1 files as they were stored; media-analysis verify names them"]
    assert "alert:files_damaged:store" in firing.keys() - mended.keys()


async def test_what_only_reading_every_byte_showed_is_not_cleared_by_opening(
    runtime: Runtime, store_file: StoreFile
) -> None:
    stored = await store_file(b"bytes")
    path = disk_of(runtime.store).root / stored.key
    path.write_bytes(b"bites")
    await runtime.scrub.run()

    _, reader = await runtime.files.catalog.open(stored.id, owner="alice")
    await reader.close()

    assert (await runtime.files.catalog.get(stored.id, owner="alice")).last_error == "hash differs"
    path.write_bytes(b"bytes")
