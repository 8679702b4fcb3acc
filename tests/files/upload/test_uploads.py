"""Uploads through the service: what is kept, what is refused, and what a failure leaves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from media_analysis.errors import (
    DiskReserveReached,
    IncompleteUpload,
    MediaTypeNotAccepted,
    UploadLeaseLost,
    UploadStalled,
    UploadTooLarge,
)
from media_analysis.files.upload.limits import Acceptance
from media_analysis.files.upload.service import Upload, UploadService
from media_analysis.media.types.sniff import HEAD_BYTES
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, chunks, fetch
from tests.disks import disk_of
from tests.files.conftest import SlowBody, eventually, lapse_leases, objects, sweep
from tests.media import clips
from tests.storage.conftest import open_names

UPLOAD = Upload(owner="alice", category=Category.UPLOADS, filename="a")


async def require_nothing_left(runtime: Runtime, database: str) -> None:
    assert await fetch(database, "SELECT id FROM media_files") == []
    assert objects(disk_of(runtime.store).root) == []
    assert open_names(disk_of(runtime.store).root) == []


def limited(runtime: Runtime, **limits: Any) -> UploadService:
    return replace(runtime.files.uploads, limits=replace(runtime.files.uploads.limits, **limits))


async def failing(first: bytes) -> AsyncIterator[bytes]:
    yield first
    raise IncompleteUpload


async def test_an_uploaded_file_has_the_digest_of_its_bytes(store_file: StoreFile) -> None:
    content = b"x" * 1_000_000

    stored = await store_file(content)

    assert stored.state is FileState.STORED
    assert stored.sha256 == hashlib.sha256(content).digest()
    assert stored.size_bytes == len(content)


async def test_an_empty_file_is_a_file(store_file: StoreFile, runtime: Runtime) -> None:
    stored = await store_file(b"")

    assert (disk_of(runtime.store).root / stored.key).read_bytes() == b""
    assert stored.size_bytes == 0


async def test_nothing_is_reserved_for_what_an_upload_announces(runtime: Runtime, database: str) -> None:
    body = SlowBody()
    whole = len(body.first + body.rest)
    reserved = "SELECT files, size_bytes, reserved_bytes FROM ledger"

    uploading = asyncio.create_task(
        runtime.files.uploads.store_file(replace(UPLOAD, declared_bytes=whole), body.sent())
    )
    await body.asked.wait()
    before = [tuple(row) for row in await fetch(database, reserved)]
    body.released.set()
    await uploading

    assert before == [(0, 0, 0)]
    assert [tuple(row) for row in await fetch(database, reserved)] == [(1, whole, 0)]


@pytest.mark.parametrize("first", [b"", b"short", bytes(100_000)], ids=["no bytes", "the head", "more"])
async def test_an_upload_that_breaks_off_leaves_nothing(runtime: Runtime, database: str, first: bytes) -> None:
    with pytest.raises(IncompleteUpload):
        await runtime.files.uploads.store_file(UPLOAD, failing(first))

    await require_nothing_left(runtime, database)


@pytest.mark.parametrize("declared", [1, 99_999, 100_001])
async def test_a_body_of_another_length_than_announced_is_refused(
    runtime: Runtime, database: str, declared: int
) -> None:
    with pytest.raises(IncompleteUpload):
        await runtime.files.uploads.store_file(replace(UPLOAD, declared_bytes=declared), chunks(bytes(100_000)))

    await require_nothing_left(runtime, database)


async def test_a_body_past_the_limit_is_refused_and_one_at_the_limit_is_not(runtime: Runtime, database: str) -> None:
    uploads = limited(runtime, max_bytes=100_000)

    with pytest.raises(UploadTooLarge):
        await uploads.store_file(UPLOAD, chunks(bytes(100_001)))
    await require_nothing_left(runtime, database)
    stored = await uploads.store_file(UPLOAD, chunks(bytes(100_000)))

    assert stored.size_bytes == 100_000


async def test_the_disk_reserve_is_not_eaten(runtime: Runtime, database: str) -> None:
    free_bytes = (await runtime.store.capacity()).free_bytes
    uploads = limited(runtime, reserve_bytes=free_bytes + 2**30)

    with pytest.raises(DiskReserveReached):
        await uploads.store_file(UPLOAD, chunks(b"a"))

    await require_nothing_left(runtime, database)


async def test_a_type_the_category_does_not_take_is_refused_whatever_it_is_declared_as(
    runtime: Runtime, database: str
) -> None:
    uploads = limited(runtime, accepted=Acceptance({Category.UPLOADS: ("image/*",)}))
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)

    with pytest.raises(MediaTypeNotAccepted):
        await uploads.store_file(replace(UPLOAD, declared_type="image/png"), chunks(b"<html><script>"))
    await require_nothing_left(runtime, database)
    stored = await uploads.store_file(UPLOAD, chunks(picture))

    assert stored.media_type == "image/png"


@pytest.mark.parametrize(("pattern", "refused"), [("audio/*", "video/mp4"), ("video/*", "audio/mp4")])
async def test_what_the_end_of_a_file_tells_decides_and_its_beginning_refuses_nothing(
    runtime: Runtime, database: str, pattern: str, refused: str
) -> None:
    uploads = limited(runtime, accepted=Acceptance({Category.UPLOADS: (pattern,)}))
    contents = {"audio/mp4": clips.index_behind_sound(), "video/mp4": clips.index_behind_film()}

    with pytest.raises(MediaTypeNotAccepted, match=refused):
        await uploads.store_file(UPLOAD, chunks(contents.pop(refused).read_bytes()))
    await require_nothing_left(runtime, database)
    ((expected, path),) = contents.items()
    stored = await uploads.store_file(UPLOAD, chunks(path.read_bytes()))

    assert stored.media_type == expected
    assert await fetch(database, "SELECT media_type FROM media_files") == [(expected,)]


@pytest.mark.parametrize("pattern", ["audio/*", "image/png"])
async def test_a_photograph_is_refused_at_its_head_where_not_even_a_film_of_photographs_is_taken(
    runtime: Runtime, pattern: str
) -> None:
    uploads = limited(runtime, accepted=Acceptance({Category.UPLOADS: (pattern,)}))
    written = BytesIO()
    Image.effect_noise((320, 240), 90).save(written, "JPEG")
    photograph = written.getvalue()
    assert len(photograph) > HEAD_BYTES

    async def only_the_head() -> AsyncIterator[bytes]:
        yield photograph[:HEAD_BYTES]
        raise AssertionError("the body was read on")

    with pytest.raises(MediaTypeNotAccepted, match="image/jpeg"):
        await uploads.store_file(UPLOAD, only_the_head())


async def test_an_upload_whose_name_went_before_its_type_was_read_has_lost_its_lease(
    runtime: Runtime, database: str
) -> None:
    content = clips.index_behind_sound().read_bytes()

    async def swept() -> AsyncIterator[bytes]:
        yield content
        for key in objects(disk_of(runtime.store).root):
            (disk_of(runtime.store).root / key).unlink()

    with pytest.raises(UploadLeaseLost):
        await runtime.files.uploads.store_file(UPLOAD, swept())
    await require_nothing_left(runtime, database)


@pytest.mark.parametrize("first", [b"", bytes(100_000)], ids=["before its first byte", "in the middle"])
async def test_an_upload_that_sends_nothing_for_too_long_is_ended(
    runtime: Runtime, database: str, first: bytes
) -> None:
    async def silent() -> AsyncIterator[bytes]:
        if first:
            yield first
        await asyncio.Event().wait()

    impatient = replace(runtime.files.uploads.limits.pace, idle_seconds=0.05)
    with pytest.raises(UploadStalled):
        await limited(runtime, pace=impatient).store_file(UPLOAD, silent())

    await require_nothing_left(runtime, database)


async def test_a_cancelled_upload_leaves_nothing(runtime: Runtime, database: str) -> None:
    body = SlowBody()
    uploading = asyncio.create_task(runtime.files.uploads.store_file(UPLOAD, body.sent()))
    await body.asked.wait()

    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading

    await require_nothing_left(runtime, database)


async def test_an_upload_whose_lease_lapsed_is_told_so_and_leaves_nothing(runtime: Runtime, database: str) -> None:
    body = SlowBody()
    uploading = asyncio.create_task(runtime.files.uploads.store_file(UPLOAD, body.sent()))
    await body.asked.wait()
    await lapse_leases(database)

    await sweep(runtime)
    body.released.set()
    with pytest.raises(UploadLeaseLost):
        await uploading

    await require_nothing_left(runtime, database)


async def test_a_slow_upload_keeps_its_lease_for_as_long_as_it_reports(runtime: Runtime, database: str) -> None:
    body = SlowBody()
    transactions = replace(runtime.upload_transactions, lease_seconds=0.3)
    uploads = replace(runtime.files.uploads, protocol=replace(runtime.uploads, transactions=transactions))
    uploading = asyncio.create_task(uploads.store_file(UPLOAD, body.sent()))
    await body.asked.wait()
    await lapse_leases(database)

    async def renewed() -> bool:
        return bool(await fetch(database, "SELECT id FROM media_files WHERE due_at > now()"))

    await eventually(renewed)
    body.released.set()
    stored = await uploading

    assert stored.state is FileState.STORED
