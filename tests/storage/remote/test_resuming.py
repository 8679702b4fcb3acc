"""Uploads in several turns to a bucket: pieces that count, pieces that do not, and what becomes of them."""

import asyncio
import hashlib
import os

import pytest

from media_analysis.errors import ObjectBusy, ObjectDamaged, StoreUnavailable
from media_analysis.storage.remote.names import piece_name
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.remote.store import RemoteStore
from tests.storage.conftest import get, put
from tests.storage.remote.conftest import names_in, parts_below

pytestmark = pytest.mark.s3
KEY = "uploads/2026-01-01/a.bin"


async def append(store: RemoteStore, content: bytes, *, at: int = 0, fence: int = 0) -> None:
    """Make bytes durable behind those that are."""
    writer = await store.resume(KEY, size_bytes=at, running=None, fence=fence)
    await writer.write(content)
    await writer.checkpoint()
    writer.close()


async def finish(store: RemoteStore, content: bytes, *, at: int, fence: int = 0) -> bytes:
    writer = await store.resume(KEY, size_bytes=at, running=None, fence=fence)
    await writer.write(content)
    digest = await writer.sync()
    writer.close()
    return digest


async def test_an_object_that_is_whole_has_no_pieces_any_more(remote: RemoteStore, requests: S3Requests) -> None:
    content = os.urandom(30_000_000)
    await append(remote, content[:1_000_000])
    await append(remote, content[1_000_000:20_000_000], at=1_000_000)

    digest = await finish(remote, content[20_000_000:], at=20_000_000)

    assert digest == hashlib.sha256(content).digest()
    assert await get(remote, KEY) == content
    assert await names_in(remote) == [KEY]
    assert await parts_below(requests, remote.bucket.address.prefix) == []


async def test_pieces_behind_what_counts_and_between_are_deleted(remote: RemoteStore) -> None:
    await append(remote, b"first")
    for offset in (3, 5, 100):
        await remote.bucket.create(piece_name(KEY, offset, 0), b"stray")

    digest = await finish(remote, b"second", at=5)

    assert digest == hashlib.sha256(b"firstsecond").digest()
    assert await names_in(remote) == [KEY]


async def test_whoever_is_outrun_is_told_and_mixes_no_byte(remote: RemoteStore) -> None:
    """Promise 39."""
    await append(remote, b"first")
    outrun = await remote.resume(KEY, size_bytes=5, running=None)

    await append(remote, b"theirs", at=5)
    await outrun.write(b"mine")
    with pytest.raises(ObjectBusy):
        await outrun.checkpoint()
    await outrun.revert()

    assert await finish(remote, b"", at=11) == hashlib.sha256(b"firsttheirs").digest()


async def test_whoever_was_outrun_and_hears_of_it_late_deletes_nothing_of_who_came_after(remote: RemoteStore) -> None:
    """Promise 39: another process, or another host, has gone on meanwhile."""
    part = os.urandom(remote.bucket.options.part_bytes)
    outrun = await remote.resume(KEY, size_bytes=0, running=None, fence=1)
    for _ in range(2):
        await outrun.write(part)  # the first of them is put when the second was given

    await append(remote, b"theirs", fence=2)
    await outrun.revert()

    assert await finish(remote, b"", at=6, fence=3) == hashlib.sha256(b"theirs").digest()
    assert await names_in(remote) == [KEY]


async def test_whoever_looks_where_to_go_on_when_another_one_has_deletes_nothing_of_theirs(
    remote: RemoteStore,
) -> None:
    """Promise 39: it had its turn first, and its requests are slow."""
    await append(remote, b"theirs", fence=2)
    late = await remote.resume(KEY, size_bytes=0, running=None, fence=1)
    await late.write(b"late, and longer")
    await late.checkpoint()

    assert await finish(remote, b"", at=6, fence=3) == hashlib.sha256(b"theirs").digest()
    assert await names_in(remote) == [KEY]


async def test_a_gap_between_pieces_is_damage(remote: RemoteStore) -> None:
    await append(remote, b"first")
    await append(remote, b"second", at=5)
    await remote.bucket.delete([piece_name(KEY, 0, 0)])

    with pytest.raises(ObjectDamaged):
        await remote.resume(KEY, size_bytes=11, running=None)


async def test_a_turn_that_ended_before_it_could_say_that_all_is_here_is_taken_again(remote: RemoteStore) -> None:
    """Killed between the object and the fact: its pieces are gone, and what counts is less than all of it."""
    content = os.urandom(20_000_000)
    await append(remote, content[:9_000_000])
    await finish(remote, content[9_000_000:], at=9_000_000)

    digest = await finish(remote, content[9_000_000:], at=9_000_000)

    assert digest == hashlib.sha256(content).digest()
    assert await get(remote, KEY) == content
    assert await names_in(remote) == [KEY]


async def test_an_object_that_is_there_is_not_overwritten_by_other_bytes(remote: RemoteStore) -> None:
    await append(remote, b"first")
    await finish(remote, b"second", at=5)

    with pytest.raises(StoreUnavailable, match="the name is taken"):
        await finish(remote, b"others", at=5)

    assert await get(remote, KEY) == b"firstsecond"


async def test_what_a_thread_puts_goes_on_too(remote: RemoteStore) -> None:
    content = os.urandom(9_000_000)
    writer = await remote.resume(KEY, size_bytes=0, running=None)
    memory = bytearray(1_000_000)

    def work() -> None:
        for start in range(0, len(content), len(memory)):
            memory[:] = content[start : start + len(memory)]
            writer.put(memoryview(memory))

    await asyncio.to_thread(work)
    digest = await writer.sync()
    writer.close()

    assert digest == hashlib.sha256(content).digest()
    assert await get(remote, KEY) == content


async def test_whoever_is_cancelled_while_a_piece_is_put_loses_nothing_it_gave(remote: RemoteStore) -> None:
    part = os.urandom(remote.bucket.options.part_bytes)
    writer = await remote.resume(KEY, size_bytes=0, running=None)
    await writer.write(part)
    giving = asyncio.create_task(writer.write(part))
    await asyncio.sleep(0)

    giving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await giving
    digest = await writer.sync()

    assert digest == hashlib.sha256(part * 2).digest()
    assert await get(remote, KEY) == part * 2


async def test_an_object_of_one_turn_is_not_made_durable_on_the_way(remote: RemoteStore) -> None:
    (writer,) = await remote.create_many([KEY])
    assert not isinstance(writer, Exception)
    await writer.write(b"some")

    with pytest.raises(StoreUnavailable):
        await writer.checkpoint()

    assert await writer.sync() == hashlib.sha256(b"some").digest()
    await put(remote, "clips/b.bin")
