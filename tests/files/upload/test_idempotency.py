"""Promise 16: the same key and body give the same answer, and one file."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from media_analysis.errors import IdempotencyKeyReused, UploadInFlight, UploadLeaseLost
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from tests.asking import delete_file
from tests.conftest import chunks, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import SlowBody, eventually, lapse_leases, sweep

KEYED = Upload(owner="alice", category=Category.UPLOADS, filename="a", idempotency_key="once")
CONTENT = b"c" * 100_000


async def count_files(database: str) -> int:
    return len(await fetch(database, "SELECT id FROM media_files"))


def answer(file: MediaFile) -> tuple[object, ...]:
    """Return what a client is told of a file."""
    return (
        *(file.id, file.owner, file.category, file.state, file.filename, file.media_type, file.size_bytes),
        *(file.sha256, file.created_at, file.expires_at, file.job_id, file.parent_id),
    )


def test_what_was_sent_before_there_were_labels_is_known_after() -> None:
    assert KEYED.fingerprint().hex() == "c61eef5ef0cff2795f81ccc902c13289a084d23c75b7ab7edb0140afcc8005b8"
    assert replace(KEYED, labels={"event": "evt42"}).fingerprint() != KEYED.fingerprint()


async def test_a_repeated_upload_gets_the_first_answer(runtime: Runtime, database: str) -> None:
    first = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))

    second = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))

    assert answer(second) == answer(first)
    assert await count_files(database) == 1


async def test_a_repeated_upload_gets_the_first_answer_even_when_the_file_is_gone(
    runtime: Runtime, database: str
) -> None:
    first = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))
    await delete_file(runtime, first.id, owner="alice", actor="alice")

    second = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))

    assert answer(second) == answer(first)
    assert await count_files(database) == 0


@pytest.mark.parametrize(
    ("upload", "content"),
    [(KEYED, b"d" * 100_000), (replace(KEYED, filename="b"), CONTENT), (replace(KEYED, declared_bytes=3), b"abc")],
    ids=["other bytes", "other name", "other length"],
)
async def test_a_key_does_not_serve_another_request(
    runtime: Runtime, database: str, upload: Upload, content: bytes
) -> None:
    await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))

    with pytest.raises(IdempotencyKeyReused):
        await runtime.files.uploads.store_file(upload, chunks(content))

    assert await count_files(database) == 1


async def test_a_key_belongs_to_its_owner(runtime: Runtime, database: str) -> None:
    await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))

    await runtime.files.uploads.store_file(replace(KEYED, owner="bob"), chunks(CONTENT))

    assert await count_files(database) == 2


async def test_concurrent_uploads_under_one_key_give_one_file(runtime: Runtime, database: str) -> None:
    uploads = (runtime.files.uploads.store_file(KEYED, chunks(CONTENT)) for _ in range(8))

    answers = await asyncio.gather(*uploads, return_exceptions=True)

    stored = {one.id for one in answers if isinstance(one, MediaFile)}
    assert len(stored) == 1
    assert all(isinstance(one, MediaFile | UploadInFlight) for one in answers)
    assert await count_files(database) == 1


async def test_a_failed_upload_gives_its_key_back(runtime: Runtime, database: str) -> None:
    body = SlowBody()
    uploading = asyncio.create_task(runtime.files.uploads.store_file(KEYED, body.sent()))
    await body.asked.wait()
    uploading.cancel()
    await asyncio.gather(uploading, return_exceptions=True)

    stored = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))

    assert stored.size_bytes == len(CONTENT)
    assert await count_files(database) == 1


async def test_a_failed_upload_gives_its_key_back_although_its_store_is_away(runtime: Runtime, database: str) -> None:
    marker, body = disk_of(runtime.store).root / MARKER_NAME, SlowBody()
    uploading = asyncio.create_task(runtime.files.uploads.store_file(KEYED, body.sent()))
    await body.asked.wait()
    away = marker.rename(marker.with_name("away"))
    uploading.cancel()
    await asyncio.gather(uploading, return_exceptions=True)
    away.rename(marker)

    stored = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))
    await sweep(runtime)

    assert [row["id"] for row in await fetch(database, "SELECT id FROM media_files")] == [stored.id]


async def test_a_key_is_forgotten_after_its_day(runtime: Runtime, database: str) -> None:
    first = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))
    await execute(database, "UPDATE idempotency_keys SET expires_at = now()")

    second = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))
    await execute(database, "UPDATE idempotency_keys SET expires_at = now()")
    await runtime.records.end()

    assert second.id != first.id
    assert await fetch(database, "SELECT key FROM idempotency_keys") == []


async def test_a_retry_takes_the_key_of_an_upload_that_stalled(runtime: Runtime, database: str) -> None:
    stalled = SlowBody()
    zombie = asyncio.create_task(runtime.files.uploads.store_file(KEYED, stalled.sent()))
    await stalled.asked.wait()
    with pytest.raises(UploadInFlight):
        await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))
    await lapse_leases(database)

    stored = await runtime.files.uploads.store_file(KEYED, chunks(CONTENT))
    stalled.released.set()
    with pytest.raises(UploadLeaseLost):
        await zombie
    await lapse_leases(database)
    await sweep(runtime)

    assert [row["id"] for row in await fetch(database, "SELECT id FROM media_files")] == [stored.id]


async def test_a_key_taken_at_the_very_moment_of_settling_is_lost(runtime: Runtime, database: str) -> None:
    """The taker's transaction is open while the first upload settles: one of the two must give way."""
    body = SlowBody()
    first = asyncio.create_task(runtime.files.uploads.store_file(KEYED, body.sent()))
    await body.asked.wait()
    taker = await asyncpg.connect(database)
    taking = taker.transaction()
    await taking.start()
    await taker.execute("DELETE FROM idempotency_keys")

    body.released.set()
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def settling() -> bool:
        return bool(await fetch(database, waiting))

    await eventually(settling)
    await taking.commit()
    await taker.close()

    with pytest.raises(UploadLeaseLost):
        await first
