"""What every store promises, whatever holds its bytes."""

import asyncio
import hashlib
import os
from itertools import cycle

import pytest

from media_analysis.errors import ObjectMissing, StoreUnavailable
from media_analysis.storage.store import ObjectStore, ObjectWriter
from media_analysis.storage.writing import BUFFER_BYTES, WRITEBACK_BYTES
from tests.storage.conftest import create, get, put

KEY = "uploads/2026-01-01/a.bin"


@pytest.mark.parametrize("content", [b"", b"a", bytes(range(256)) * 8_192])
async def test_what_was_written_is_read_back_under_its_digest(store: ObjectStore, content: bytes) -> None:
    digest = await put(store, KEY, content)

    assert digest == hashlib.sha256(content).digest()
    assert await get(store, KEY) == content


async def test_chunks_of_any_size_arrive_in_order(store: ObjectStore) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate((1, 700_000, 0, 3, 524_288, 999_999))]

    writer = await create(store, KEY)
    for piece in pieces:
        await writer.write(piece)
    digest = await writer.sync()
    writer.close()

    assert writer.size_bytes == sum(map(len, pieces))
    assert digest == hashlib.sha256(b"".join(pieces)).digest()
    assert await get(store, KEY) == b"".join(pieces)


async def test_a_name_is_created_once_and_never_overwritten(store: ObjectStore) -> None:
    await put(store, KEY, b"first")

    with pytest.raises(StoreUnavailable):
        await put(store, KEY, b"second")

    assert await get(store, KEY) == b"first"


async def synced(writer: ObjectWriter) -> bytes | Exception:
    """Return what comes of a new object: a store may find at its end that its name is taken."""
    try:
        return await writer.sync()
    except StoreUnavailable as error:
        return error
    finally:
        writer.close()


async def test_a_name_that_cannot_be_created_leaves_its_neighbours_alone(store: ObjectStore) -> None:
    await put(store, KEY, b"first")

    made = await store.create_many(["clips/a.bin", KEY, "clips/b.bin"])
    before, taken, after = [one if isinstance(one, Exception) else await synced(one) for one in made]

    assert isinstance(taken, StoreUnavailable)
    assert before == after == hashlib.sha256(b"").digest()
    assert await get(store, KEY) == b"first"


async def test_objects_that_are_put_whole_are_durable_and_told_by_their_hashes(store: ObjectStore) -> None:
    await put(store, KEY, b"first")

    first, taken, last = await store.put_many(
        [("clips/a.bin", b"one"), (KEY, b"second"), ("clips/b.bin", b"")], leaving_bytes=0
    )

    assert (first, last) == (hashlib.sha256(b"one").digest(), hashlib.sha256(b"").digest())
    assert isinstance(taken, StoreUnavailable)
    assert [await get(store, key) for key in ("clips/a.bin", KEY, "clips/b.bin")] == [b"one", b"first", b""]


async def test_a_deleted_object_is_gone_and_its_neighbours_stay(store: ObjectStore) -> None:
    keys = ["uploads/2026-01-01/a.bin", "uploads/2026-01-01/b.bin", "clips/c.bin"]
    for key in keys:
        await put(store, key, key.encode())

    outcome = await store.delete_many([keys[2], keys[0]])

    assert (list(outcome.gone), outcome.failed) == ([keys[2], keys[0]], {})
    assert await get(store, keys[1]) == keys[1].encode()
    with pytest.raises(ObjectMissing):
        await store.open(keys[0], size_bytes=None)


async def test_deleting_twice_and_deleting_nothing_succeed(store: ObjectStore) -> None:
    await put(store, KEY)

    first, second, nothing = [await store.delete_many(keys) for keys in ([KEY], [KEY], [])]

    assert [list(outcome.gone) for outcome in (first, second, nothing)] == [[KEY], [KEY], []]
    assert [outcome.failed for outcome in (first, second, nothing)] == [{}, {}, {}]


async def test_a_deleted_name_does_not_come_back_when_its_writer_goes_on(store: ObjectStore) -> None:
    writer = await create(store, KEY)

    await store.delete_many([KEY])
    await writer.write(b"late")
    writer.close()

    with pytest.raises(ObjectMissing):
        await store.open(KEY, size_bytes=None)


async def test_a_closed_writer_takes_nothing_more(store: ObjectStore) -> None:
    writer = await create(store, KEY)
    await writer.write(b"early")

    writer.close()
    writer.close()

    with pytest.raises(StoreUnavailable):
        await writer.sync()


async def test_the_capacity_is_that_of_the_medium(store: ObjectStore) -> None:
    capacity = await store.capacity()

    assert 0 < capacity.free_bytes <= capacity.total_bytes


@pytest.mark.parametrize("piece_bytes", [1000, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3_000_000])
async def test_what_a_thread_puts_from_two_memories_in_turn_is_stored_and_hashed(
    store: ObjectStore, piece_bytes: int
) -> None:
    content = os.urandom(max(5 * piece_bytes + 17, 2 * WRITEBACK_BYTES if piece_bytes > BUFFER_BYTES else 0))
    writer = await create(store, KEY)

    def work() -> None:
        memories = cycle([bytearray(piece_bytes), bytearray(piece_bytes)])
        for start in range(0, len(content), piece_bytes):
            piece, memory = content[start : start + piece_bytes], next(memories)
            memory[: len(piece)] = piece
            writer.put(memoryview(memory)[: len(piece)])

    await asyncio.to_thread(work)
    digest = await writer.sync()
    writer.close()

    assert writer.size_bytes == len(content)
    assert digest == hashlib.sha256(content).digest()
    assert await get(store, KEY) == content


async def test_what_is_durable_of_an_upload_is_hashed_again_where_nobody_knows_its_hash(store: ObjectStore) -> None:
    (await create(store, KEY)).close()
    writer = await store.resume(KEY, size_bytes=0, running=None)
    await writer.write(b"first")
    await writer.checkpoint()
    await writer.write(b"lost with its process")
    writer.close()

    again = await store.resume(KEY, size_bytes=5, running=None)
    await again.write(b"second")
    digest = await again.sync()
    again.close()

    assert digest == hashlib.sha256(b"firstsecond").digest()
    assert await get(store, KEY) == b"firstsecond"
