"""Uploads in pieces through the service: who may write, what is durable, and what a failure leaves."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from media_analysis.errors import (
    IncompleteUpload,
    MediaTypeNotAccepted,
    QuotaReached,
    TooManyAtOnce,
)
from media_analysis.files.resumable import service
from media_analysis.files.resumable.pieces import Piece
from media_analysis.files.resumable.service import ResumableUploads
from media_analysis.runtime import Runtime
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.files.resumable.conftest import (
    CONTENT,
    THIRD,
    UPLOAD,
    begin,
    broken_off,
    end,
    only_pictures,
    piece,
    require_stored,
)


async def test_what_a_client_sent_before_it_left_is_kept(uploads: ResumableUploads, database: str) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])

    with pytest.raises(IncompleteUpload):
        await uploads.append(
            upload_id, Piece(offset_bytes=THIRD, body=broken_off(CONTENT[THIRD : 2 * THIRD])), owner="alice"
        )

    assert (await uploads.get(upload_id, owner="alice")).offset_bytes == 2 * THIRD
    await end(uploads, upload_id)
    await require_stored(database, upload_id)


async def test_nothing_of_a_checked_piece_is_kept_that_its_client_left(
    uploads: ResumableUploads, database: str
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    other = Piece(offset_bytes=THIRD, body=broken_off(b"other bytes"), is_checked=True)

    with pytest.raises(IncompleteUpload):
        await uploads.append(upload_id, other, owner="alice")

    assert (await uploads.get(upload_id, owner="alice")).offset_bytes == THIRD
    await end(uploads, upload_id)
    await require_stored(database, upload_id)


async def test_a_process_that_has_not_seen_the_beginning_hashes_it_from_the_disk(
    uploads: ResumableUploads, elsewhere: ResumableUploads, database: str
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    await elsewhere.append(upload_id, piece(THIRD, CONTENT[THIRD : 2 * THIRD]), owner="alice")

    await uploads.append(upload_id, piece(2 * THIRD, CONTENT[2 * THIRD :]), owner="alice")

    await require_stored(database, upload_id)


async def test_bytes_behind_the_durable_ones_are_cut_off(
    uploads: ResumableUploads, runtime: Runtime, database: str
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    (name,) = objects(disk_of(runtime.store).root)
    with (disk_of(runtime.store).root / name).open("ab") as file:
        file.write(b"what a crash left")

    await end(uploads, upload_id)

    await require_stored(database, upload_id)


async def test_an_object_that_lost_durable_bytes_is_never_gone_on_with(
    uploads: ResumableUploads, runtime: Runtime
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    (name,) = objects(disk_of(runtime.store).root)
    with (disk_of(runtime.store).root / name).open("ab") as file:
        file.truncate(THIRD - 1)

    with pytest.raises(Exception, match="does not hold the bytes"):
        await end(uploads, upload_id)
    await uploads.terminate(upload_id, owner="alice")


@pytest.mark.parametrize("lost", ["answer", "file"])
async def test_a_last_piece_that_was_not_answered_is_stored_by_whoever_asks(
    uploads: ResumableUploads, database: str, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    name = {"answer": "_finish", "file": "_store"}[lost]

    async def fail(*_given: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(service.ResumableUploads, name, fail)
        with pytest.raises(ConnectionError):
            await end(uploads, upload_id)

    known = await uploads.settle(upload_id, owner="alice")
    again = await uploads.append(upload_id, piece(len(CONTENT), b""), owner="alice")

    assert known.is_stored
    assert again.is_stored
    await require_stored(database, upload_id)


async def test_what_finds_no_room_is_told_so_until_there_is_some(
    uploads: ResumableUploads, runtime: Runtime, database: str
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    await execute(database, f"UPDATE category_policies SET quota_bytes = {THIRD} WHERE category = 'uploads'")

    with pytest.raises(QuotaReached):
        await end(uploads, upload_id)
    kept = await uploads.get(upload_id, owner="alice")
    await execute(database, "UPDATE category_policies SET quota_bytes = NULL WHERE category = 'uploads'")
    await end(uploads, upload_id)

    assert kept.offset_bytes >= THIRD
    await require_stored(database, upload_id)


async def test_what_an_owner_has_parked_counts_against_the_quota(uploads: ResumableUploads, database: str) -> None:
    await execute(database, f"UPDATE category_policies SET quota_bytes = {2 * THIRD} WHERE category = 'uploads'")
    parked = replace(UPLOAD, declared_bytes=2 * THIRD)
    await begin(uploads, CONTENT[:THIRD], parked)
    upload_id = await begin(uploads, b"", parked)

    with pytest.raises(QuotaReached):
        await uploads.append(upload_id, piece(0, CONTENT[: 2 * THIRD]), owner="alice")


async def test_a_type_that_is_not_taken_ends_the_upload(
    runtime: Runtime, database: str, remains_nothing: Callable[[], None]
) -> None:
    uploads = only_pictures(runtime)
    upload_id = await begin(uploads)

    with pytest.raises(MediaTypeNotAccepted):
        await uploads.append(upload_id, piece(0, CONTENT), owner="alice")

    remains_nothing()
    assert await fetch(database, "SELECT id FROM media_files") == []


async def test_an_owner_has_only_so_many_unfinished(uploads: ResumableUploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_UNFINISHED", 2)
    await begin(uploads)
    await begin(uploads, CONTENT)
    await begin(uploads)

    with pytest.raises(TooManyAtOnce):
        await begin(uploads)
    await begin(uploads, upload=replace(UPLOAD, owner="bob"))
