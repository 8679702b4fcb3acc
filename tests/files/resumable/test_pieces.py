"""What one request may bring, and what one that fails leaves."""

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from media_analysis.errors import (
    DiskReserveReached,
    IncompleteUpload,
    LengthPassed,
    MalformedHeader,
    MarkerMismatch,
)
from media_analysis.files.resumable.pieces import Piece
from media_analysis.files.resumable.service import ResumableUploads
from media_analysis.runtime import Runtime
from tests.conftest import chunks, execute
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.files.resumable.conftest import CONTENT, THIRD, UPLOAD, begin, broken_off, end, only_pictures, piece


async def test_what_does_not_count_of_a_checked_piece_takes_no_room(
    uploads: ResumableUploads, runtime: Runtime
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    checked = Piece(offset_bytes=THIRD, body=broken_off(CONTENT[THIRD:]), is_checked=True)

    with pytest.raises(IncompleteUpload):
        await uploads.append(upload_id, checked, owner="alice")

    (name,) = objects(disk_of(runtime.store).root)
    assert (disk_of(runtime.store).root / name).stat().st_size == THIRD


async def test_the_reserve_of_the_disk_stays_free_of_short_pieces_too(runtime: Runtime) -> None:
    upload_id = await begin(runtime.files.resumable, CONTENT[:THIRD])
    limits = replace(runtime.files.uploads.limits, reserve_bytes=2**60)
    uploads = replace(runtime.files.resumable, uploads=replace(runtime.files.uploads, limits=limits))

    with pytest.raises(DiskReserveReached):
        await uploads.append(upload_id, piece(THIRD, CONTENT[THIRD : 2 * THIRD]), owner="alice")
    assert (await end(runtime.files.resumable, upload_id)).is_stored


async def test_the_length_is_the_one_said_first_whoever_knew_of_none(uploads: ResumableUploads) -> None:
    upload_id = await begin(uploads, upload=replace(UPLOAD, declared_bytes=None))
    unaware = await uploads.get(upload_id, owner="alice")
    await uploads.append(upload_id, Piece(offset_bytes=0, length_bytes=20), owner="alice")

    async with uploads.turns.take(upload_id) as turn:
        with pytest.raises(MalformedHeader):
            await uploads.appender.append(
                turn, unaware, Piece(offset_bytes=0, body=chunks(CONTENT[:10]), length_bytes=10)
            )
        sha256 = await uploads.appender.append(turn, unaware, piece(0, CONTENT[:20]))

    assert sha256 is not None
    assert (await uploads.settle(upload_id, owner="alice")).is_stored


async def test_an_upload_said_to_be_empty_is_that_file_and_no_other(uploads: ResumableUploads, database: str) -> None:
    upload_id = await begin(uploads, upload=replace(UPLOAD, declared_bytes=None))
    await execute(database, "UPDATE resumable_uploads SET length_bytes = 0")  # then the process ended

    with pytest.raises(MalformedHeader):
        await uploads.append(
            upload_id, Piece(offset_bytes=0, body=chunks(b"abc"), announced_bytes=3, length_bytes=3), owner="alice"
        )
    assert (await uploads.settle(upload_id, owner="alice")).is_stored


async def test_nothing_behind_the_end_is_passed_over(uploads: ResumableUploads) -> None:
    upload_id = await begin(uploads, CONTENT)

    with pytest.raises(LengthPassed):
        await uploads.append(upload_id, Piece(offset_bytes=len(CONTENT), body=chunks(b"more")), owner="alice")


async def test_a_short_first_piece_is_not_judged_before_the_rest_is_here(runtime: Runtime) -> None:
    uploads = only_pictures(runtime)
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    content = picture.getvalue()
    upload_id = await begin(uploads, upload=replace(UPLOAD, declared_bytes=len(content)))

    await uploads.append(upload_id, piece(0, content[:3]), owner="alice")
    last = await uploads.append(upload_id, piece(3, content[3:]), owner="alice")

    assert last.is_stored
    assert last.media_type == "image/png"


async def test_no_upload_is_called_gone_while_the_store_is(uploads: ResumableUploads, runtime: Runtime) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    root = disk_of(runtime.store).root
    elsewhere = root.rename(root.with_name("unmounted"))
    root.mkdir()
    try:
        with pytest.raises(MarkerMismatch):
            await end(uploads, upload_id)
    finally:
        root.rmdir()
        elsewhere.rename(root)

    assert (await end(uploads, upload_id)).is_stored
