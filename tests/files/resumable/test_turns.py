"""Who writes to an upload: the newest request, in whatever process, and nobody beside it."""

import asyncio
from collections.abc import Callable

import pytest

from media_analysis.errors import (
    ObjectBusy,
    OffsetMismatch,
    UploadFinished,
    UploadGone,
    UploadNotFound,
    UploadSuperseded,
)
from media_analysis.files.resumable import appending, turns
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.resumable.pieces import Piece
from media_analysis.files.resumable.service import ResumableUploads
from tests.conftest import execute, fetch
from tests.files.conftest import SlowBody, eventually
from tests.files.resumable.conftest import CONTENT, THIRD, begin, end, piece, require_stored


@pytest.mark.parametrize("here", [True, False], ids=["in one process", "in another process"])
async def test_of_two_requests_the_newer_goes_on_and_no_byte_is_mixed(
    uploads: ResumableUploads, elsewhere: ResumableUploads, database: str, *, here: bool
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    older = SlowBody(b"stale bytes", b"and more of them")
    stalled = asyncio.create_task(
        uploads.append(upload_id, Piece(offset_bytes=THIRD, body=older.sent()), owner="alice")
    )
    await older.asked.wait()

    newer = uploads if here else elsewhere
    last = await newer.append(upload_id, piece(THIRD, CONTENT[THIRD:]), owner="alice")

    with pytest.raises(UploadSuperseded):
        await stalled
    assert last.is_stored
    await require_stored(database, upload_id)


async def test_whoever_asks_where_to_go_on_ends_the_request_before_and_loses_none_of_it(
    uploads: ResumableUploads, database: str
) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    older = SlowBody(CONTENT[THIRD : 2 * THIRD])
    stalled = asyncio.create_task(
        uploads.append(upload_id, Piece(offset_bytes=THIRD, body=older.sent()), owner="alice")
    )
    await older.asked.wait()

    known = await uploads.settle(upload_id, owner="alice")

    with pytest.raises(UploadSuperseded):
        await stalled
    assert known.offset_bytes == 2 * THIRD
    await end(uploads, upload_id)
    await require_stored(database, upload_id)


async def test_whose_an_upload_is_not_ends_nobody(uploads: ResumableUploads) -> None:
    upload_id = await begin(uploads)
    body = SlowBody(CONTENT[:THIRD], CONTENT[THIRD:])
    going_on = asyncio.create_task(uploads.append(upload_id, Piece(offset_bytes=0, body=body.sent()), owner="alice"))
    await body.asked.wait()

    with pytest.raises(UploadNotFound):
        await uploads.settle(upload_id, owner="bob")
    body.released.set()

    assert (await going_on).is_stored


async def test_an_upload_does_not_end_while_bytes_come(
    uploads: ResumableUploads, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "LOOK_SECONDS", 0.01)
    upload_id = await begin(uploads)
    body = SlowBody(CONTENT[:THIRD], CONTENT[THIRD:])
    checked = Piece(offset_bytes=0, body=body.sent(), is_checked=True)
    going_on = asyncio.create_task(uploads.append(upload_id, checked, owner="alice"))
    await body.asked.wait()

    await execute(database, "UPDATE resumable_uploads SET ends_at = now() + interval '1 minute'")

    async def is_kept() -> bool:
        (row,) = await fetch(
            database,
            """
            SELECT ends_at > now() + interval '1 hour' AND ends_at = due_at AS is_kept
            FROM resumable_uploads JOIN media_files USING (id)
        """,
        )
        return bool(row["is_kept"])

    await eventually(is_kept)
    body.released.set()
    assert (await going_on).is_stored


async def test_whoever_gives_an_upload_up_that_ends_meanwhile_is_told(
    uploads: ResumableUploads, elsewhere: ResumableUploads, database: str
) -> None:
    upload_id = await begin(uploads)

    async with uploads.turns.take(upload_id) as turn:
        ending = asyncio.create_task(uploads.terminate(upload_id, owner="alice"))

        async def is_asked() -> bool:
            return turn.is_over

        await eventually(is_asked)
        await elsewhere.append(upload_id, piece(0, CONTENT), owner="alice")

    with pytest.raises(UploadFinished):
        await ending
    assert (await uploads.get(upload_id, owner="alice")).is_stored
    await require_stored(database, upload_id)


async def test_whoever_only_looks_ends_nobody(uploads: ResumableUploads, database: str) -> None:
    upload_id = await begin(uploads, CONTENT[:THIRD])
    body = SlowBody(CONTENT[THIRD : 2 * THIRD], CONTENT[2 * THIRD :])
    going_on = asyncio.create_task(
        uploads.append(upload_id, Piece(offset_bytes=THIRD, body=body.sent()), owner="alice")
    )
    await body.asked.wait()

    seen = await uploads.get(upload_id, owner="alice")
    body.released.set()

    assert seen.offset_bytes == THIRD
    assert (await going_on).is_stored
    await require_stored(database, upload_id)


async def test_many_requests_at_once_make_one_file_of_the_right_bytes(uploads: ResumableUploads, database: str) -> None:
    upload_id = await begin(uploads)
    answers = await asyncio.gather(
        *(uploads.append(upload_id, piece(0, CONTENT), owner="alice") for _ in range(8)), return_exceptions=True
    )

    assert {type(answer) for answer in answers} <= {KnownUpload, UploadSuperseded, OffsetMismatch}
    assert any(isinstance(answer, KnownUpload) for answer in answers)
    await require_stored(database, upload_id)


async def test_an_upload_that_is_given_up_while_bytes_come_is_gone(
    uploads: ResumableUploads, elsewhere: ResumableUploads, remains_nothing: Callable[[], None]
) -> None:
    upload_id = await begin(uploads)
    body = SlowBody(CONTENT[:THIRD], CONTENT[THIRD:])
    going_on = asyncio.create_task(uploads.append(upload_id, Piece(offset_bytes=0, body=body.sent()), owner="alice"))
    await body.asked.wait()

    await elsewhere.terminate(upload_id, owner="alice")
    body.released.set()

    with pytest.raises((UploadGone, UploadSuperseded)):
        await going_on
    remains_nothing()


async def test_a_request_that_does_not_let_go_is_not_waited_for_without_end(
    uploads: ResumableUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LET_GO_SECONDS", 0.01)
    upload_id = await begin(uploads)

    async with uploads.turns.take(upload_id):
        with pytest.raises(ObjectBusy):
            await uploads.settle(upload_id, owner="alice")


async def test_long_requests_are_made_durable_on_the_way(
    uploads: ResumableUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "SYNC_BYTES", THIRD)
    upload_id = await begin(uploads)
    body = SlowBody(CONTENT[: 2 * THIRD], CONTENT[2 * THIRD :])
    going_on = asyncio.create_task(uploads.append(upload_id, Piece(offset_bytes=0, body=body.sent()), owner="alice"))
    await body.asked.wait()

    assert (await uploads.get(upload_id, owner="alice")).offset_bytes == 2 * THIRD
    body.released.set()
    await going_on
