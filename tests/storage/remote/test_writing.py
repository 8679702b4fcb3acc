"""New objects in a bucket: whole, or nothing at all."""

import asyncio
import hashlib
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from media_analysis.errors import MarkerMismatch, ObjectMissing, StoreUnavailable
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.store import RemoteStore
from media_analysis.storage.remote.writing import SINGLE_BYTES
from tests.s3 import ENVIRONMENT
from tests.storage.conftest import create, get, put
from tests.storage.remote.conftest import eventually, names_in, parts_below
from tests.storage.remote.proxy import Spoiling, SpoilingProxy

pytestmark = pytest.mark.s3
KEY = "uploads/2026-01-01/a.bin"
WRITING = """
import asyncio, os, sys
from uuid import UUID
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.store import RemoteStore

async def main(address, instance_id, key):
    options = RemoteOptions(credentials=credentials(os.environ))
    store = RemoteStore.at(RemoteAddress.parse(address), UUID(instance_id), options)
    pieces = await store.resume(key, size_bytes=0, running=None)
    await pieces.write(b"piece")
    await pieces.checkpoint()
    (writer,) = await store.create_many([key])
    while True:
        await writer.write(bytes(2**20))

asyncio.run(main(*sys.argv[1:]))
"""
CHUNK = os.urandom(2**20)


async def write(store: RemoteStore, mebibytes: int) -> bytes:
    writer = await create(store, KEY)
    try:
        for _ in range(mebibytes):
            await writer.write(CHUNK)
        return await writer.sync()
    finally:
        writer.close()


@pytest.mark.parametrize("size", [SINGLE_BYTES - 1, SINGLE_BYTES, SINGLE_BYTES + 1, 40_000_001])
async def test_an_object_of_any_size_is_stored_whole_under_its_hash(
    remote: RemoteStore, requests: S3Requests, size: int
) -> None:
    content = os.urandom(size)

    digest = await put(remote, KEY, content)

    assert digest == hashlib.sha256(content).digest()
    assert await get(remote, KEY) == content
    assert await parts_below(requests, remote.bucket.address.prefix) == []


async def test_a_large_object_takes_no_name_that_is_taken(remote: RemoteStore, requests: S3Requests) -> None:
    await put(remote, KEY, b"first")

    with pytest.raises(StoreUnavailable, match="the name is taken"):
        await write(remote, 20)

    assert await get(remote, KEY) == b"first"
    assert await parts_below(requests, remote.bucket.address.prefix) == []


@pytest.mark.parametrize("mebibytes", [1, 30])
async def test_a_writer_that_is_closed_before_its_end_leaves_nothing(
    remote: RemoteStore, requests: S3Requests, mebibytes: int
) -> None:
    writer = await create(remote, KEY)
    for _ in range(mebibytes):
        await writer.write(CHUNK)

    writer.close()

    async def is_clean() -> bool:
        return not await parts_below(requests, remote.bucket.address.prefix)

    await eventually(is_clean)
    assert await names_in(remote) == []
    with pytest.raises(StoreUnavailable):
        await writer.sync()


async def test_whoever_is_cancelled_on_the_way_leaves_nothing(remote: RemoteStore, requests: S3Requests) -> None:
    prefix = remote.bucket.address.prefix
    writing = asyncio.create_task(write(remote, 10_000))

    async def has_begun() -> bool:
        return bool(await parts_below(requests, prefix))

    await eventually(has_begun)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    async def is_clean() -> bool:
        return not await has_begun()

    await eventually(is_clean)
    assert await names_in(remote) == []


async def test_a_store_that_is_closed_leaves_no_parts(remote: RemoteStore, requests: S3Requests) -> None:
    writer = await create(remote, KEY)
    for _ in range(20):
        await writer.write(CHUNK)

    await asyncio.to_thread(remote.close)

    assert await parts_below(requests, remote.bucket.address.prefix) == []
    with pytest.raises(StoreUnavailable):
        await writer.write(CHUNK)


async def test_what_a_killed_process_leaves_is_found_by_its_age_and_ended(
    remote: RemoteStore, requests: S3Requests
) -> None:
    prefix = remote.bucket.address.prefix
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", WRITING, str(remote.bucket.address), str(remote.instance_id), KEY),
        env={**os.environ, **ENVIRONMENT},
    )

    async def has_begun() -> bool:
        return bool(await parts_below(requests, prefix)) and bool(await names_in(remote))

    await eventually(has_begun)
    process.kill()
    await process.wait()
    now = datetime.now(UTC)
    young = [key async for keys in remote.abandoned(now - timedelta(hours=1)) for key in keys]
    old = [key async for keys in remote.abandoned(now + timedelta(hours=1)) for key in keys]
    outcome = await remote.abort([KEY])

    assert young == []
    assert set(old) == {KEY}
    assert (list(outcome.gone), outcome.failed) == ([KEY], {})
    assert await parts_below(requests, prefix) == []
    assert await names_in(remote) == []


async def test_ending_what_is_left_of_an_object_leaves_the_object(remote: RemoteStore) -> None:
    await put(remote, KEY, b"whole")

    await remote.abort([KEY])

    assert await get(remote, KEY) == b"whole"


@pytest.mark.parametrize("spoiling", [Spoiling.UNASKED, Spoiling.UNANSWERED])
@pytest.mark.parametrize("mebibytes", [1, 20])
async def test_a_put_of_which_nobody_heard_fails_and_its_object_can_be_deleted(
    spoiled: RemoteStore, proxy: SpoilingProxy, mebibytes: int, spoiling: Spoiling
) -> None:
    """A put that lands late is deleted by the deletion of its key."""
    line = b"POST" if mebibytes > 8 else KEY.encode()
    await spoiled.require_marker()
    proxy.spoil(spoiling, line, times=100)

    with pytest.raises(StoreUnavailable):
        await write(spoiled, mebibytes)

    proxy.spoil(spoiling, line, times=0)
    await spoiled.delete_many([KEY])
    with pytest.raises(ObjectMissing):
        await spoiled.open(KEY, size_bytes=None)


@pytest.mark.parametrize("mebibytes", [1, 20])
async def test_what_is_told_to_slow_down_is_asked_again(
    spoiled: RemoteStore, proxy: SpoilingProxy, mebibytes: int
) -> None:
    await spoiled.require_marker()
    proxy.spoil(Spoiling.SLOW_DOWN, KEY.encode(), times=3)

    digest = await write(spoiled, mebibytes)

    assert digest == hashlib.sha256(CHUNK * mebibytes).digest()
    assert hashlib.sha256(await get(spoiled, KEY)).digest() == digest


async def test_a_part_whose_connection_breaks_is_sent_again(spoiled: RemoteStore, proxy: SpoilingProxy) -> None:
    await spoiled.require_marker()
    proxy.spoil(Spoiling.UNASKED, b"partNumber=2")

    digest = await write(spoiled, 20)

    assert hashlib.sha256(await get(spoiled, KEY)).digest() == digest


@pytest.mark.parametrize("mebibytes", [1, 20])
async def test_nothing_is_put_where_another_database_has_its_objects(
    remote: RemoteStore, requests: S3Requests, mebibytes: int
) -> None:
    await remote.bucket.overwrite(MARKER_NAME, b'{"instance_id": "00000000-0000-0000-0000-000000000000"}')
    stranger = RemoteStore(remote.bucket, remote.instance_id)

    with pytest.raises(MarkerMismatch):
        await write(stranger, mebibytes)

    assert await names_in(remote) == []


async def test_an_object_of_which_nobody_hears_that_it_was_put_together_is_not_told_as_missing(
    spoiled: RemoteStore, proxy: SpoilingProxy
) -> None:
    await spoiled.require_marker()
    # What S3 says when it is asked again a moment after it did so, and gave no answer.
    proxy.answer((b"404 Not Found", b"<Error><Code>NoSuchUpload</Code></Error>"), b"?uploadId=")

    with pytest.raises(StoreUnavailable, match="NoSuchUpload"):
        await write(spoiled, 20)
