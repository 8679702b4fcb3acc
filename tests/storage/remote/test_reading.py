"""Objects of a bucket read by ranges: all that was asked for, or an error."""

import asyncio
import os

import pytest

from media_analysis.errors import ObjectMissing, StoreUnavailable
from media_analysis.storage.remote.reading import AHEAD_BYTES
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import ENVIRONMENT, options_for
from tests.storage.conftest import put
from tests.storage.remote.conftest import eventually
from tests.storage.remote.proxy import Spoiling, SpoilingProxy

pytestmark = pytest.mark.s3
KEY = "uploads/2026-01-01/a.bin"
CONTENT = os.urandom(9 * 2**20 - 17)
"""More than is asked for by two requests of somebody who was not fast yet."""


@pytest.mark.parametrize("spoiling", [Spoiling.CUT, Spoiling.UNASKED, Spoiling.SLOW_DOWN])
async def test_a_range_whose_connection_breaks_is_asked_for_again(
    spoiled: RemoteStore, proxy: SpoilingProxy, spoiling: Spoiling
) -> None:
    await put(spoiled, KEY, CONTENT)
    reader = await spoiled.open(KEY, size_bytes=len(CONTENT))
    proxy.spoil(spoiling, b"GET", times=2, after_bytes=300_000)

    read = b"".join([chunk async for chunk in reader.read(0, reader.size_bytes)])

    assert proxy.times == 0
    assert read == CONTENT


async def test_a_file_is_read_on_across_connections_that_break(spoiled: RemoteStore, proxy: SpoilingProxy) -> None:
    await put(spoiled, KEY, CONTENT)
    proxy.spoil(Spoiling.CUT, b"GET", times=2, after_bytes=300_000)

    def read() -> bytes:
        with spoiled.open_file(KEY, size_bytes=len(CONTENT)) as file:
            return b"".join(iter(lambda: file.read(1_000_000), b""))

    assert await asyncio.to_thread(read) == CONTENT
    assert proxy.times == 0


async def test_a_link_that_breaks_each_time_ends_with_an_error_and_never_early(
    remote: RemoteStore, proxy: SpoilingProxy
) -> None:
    await put(remote, KEY, CONTENT)
    options = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}, retry_seconds=1.0)
    reader = await RemoteStore.at(remote.bucket.address, remote.instance_id, options).open(KEY, size_bytes=None)
    proxy.spoil(Spoiling.CUT, b"GET", times=100_000, after_bytes=1)

    with pytest.raises(StoreUnavailable):
        async for _ in reader.read(0, reader.size_bytes):
            pass

    assert proxy.times <= 100_000 - 2


async def test_an_object_that_is_deleted_while_it_is_read_is_missing_from_there_on(remote: RemoteStore) -> None:
    await put(remote, KEY, CONTENT)
    reader = await remote.open(KEY, size_bytes=None)
    reading = reader.read(0, reader.size_bytes)
    await anext(reading)

    await remote.delete_many([KEY])
    with pytest.raises(ObjectMissing):
        _ = [chunk async for chunk in reading]


async def test_who_takes_all_that_comes_is_sent_it_by_one_request_after_the_first(
    spoiled: RemoteStore, proxy: SpoilingProxy
) -> None:
    content = os.urandom(5 * AHEAD_BYTES + 17)
    await put(spoiled, KEY, content)
    reader = await spoiled.open(KEY, size_bytes=None)
    proxy.seen.clear()

    assert b"".join([bytes(piece) async for piece in reader.read(0, reader.size_bytes)]) == content

    assert len(proxy.seen) == 2


async def test_who_stops_taking_holds_no_connection_and_little_memory_and_may_go_on(
    spoiled: RemoteStore, proxy: SpoilingProxy
) -> None:
    content = os.urandom(5 * AHEAD_BYTES + 17)
    await put(spoiled, KEY, content)
    reader = await spoiled.open(KEY, size_bytes=None)
    reading = reader.read(0, reader.size_bytes)
    proxy.seen.clear()
    read = b""
    while len(read) <= AHEAD_BYTES:
        read += await anext(reading)
    assert len(proxy.seen) == 2
    others = proxy.open - 1

    await eventually(lambda: asyncio.sleep(0, proxy.open == others))

    assert len(proxy.seen) == 2
    read += b"".join([piece async for piece in reading])
    assert read == content
    assert len(proxy.seen) > 2


async def test_what_is_read_on_and_on_is_asked_for_in_growing_ranges(
    spoiled: RemoteStore, proxy: SpoilingProxy
) -> None:
    await put(spoiled, KEY, CONTENT)
    proxy.seen.clear()

    def read() -> int:
        with spoiled.open_file(KEY, size_bytes=len(CONTENT)) as file:
            return sum(len(piece) for piece in iter(lambda: file.read(65_536), b""))

    assert await asyncio.to_thread(read) == len(CONTENT) > 2 * AHEAD_BYTES
    assert sum(line.startswith(b"GET") for line in proxy.seen) == 4  # of 1, 2, 4 and 8 MiB at most
