"""What every store promises, whatever holds its bytes."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from media_analysis.errors import ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.storage.reading import FileRegion
from media_analysis.storage.store import ObjectStore
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


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 1), (3, 7), (262_143, 262_146), (999_999, 1_000_000)])
async def test_a_range_is_half_open(store: ObjectStore, start: int, end: int) -> None:
    content = bytes(number % 251 for number in range(1_000_000))
    await put(store, KEY, content)

    reader = await store.open(KEY, size_bytes=None)
    piece = b"".join([chunk async for chunk in reader.read(start, end)])

    assert piece == content[start:end]


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 10_000_000), (3, 9_999_999), (9_999_999, 10_000_000)])
async def test_regions_are_of_the_same_range(store: ObjectStore, tmp_path: Path, start: int, end: int) -> None:
    content = os.urandom(100_000) * 100
    await put(store, KEY, content)
    sent = tmp_path / "sent"

    reader = await store.open(KEY, size_bytes=None)
    with sent.open("wb", buffering=0) as target:
        async for piece in reader.regions(start, end):
            count = piece.send(target.fileno()) if isinstance(piece, FileRegion) else target.write(piece)
            assert count == len(piece)

    assert sent.read_bytes() == content[start:end]


async def test_a_name_is_created_once_and_never_overwritten(store: ObjectStore) -> None:
    await put(store, KEY, b"first")

    with pytest.raises(StoreUnavailable):
        await put(store, KEY, b"second")

    assert await get(store, KEY) == b"first"


async def test_a_name_that_cannot_be_created_leaves_its_neighbours_alone(store: ObjectStore) -> None:
    await put(store, KEY, b"first")

    before, taken, after = await store.create_many(["clips/a.bin", KEY, "clips/b.bin"])

    assert isinstance(taken, StoreUnavailable)
    for writer in (before, after):
        assert not isinstance(writer, Exception)
        await writer.sync()
        writer.close()


async def test_objects_that_are_put_whole_are_durable_and_told_by_their_hashes(store: ObjectStore) -> None:
    await put(store, KEY, b"first")

    first, taken, last = await store.put_many(
        [("clips/a.bin", b"one"), (KEY, b"second"), ("clips/b.bin", b"")], leaving_bytes=0
    )

    assert (first, last) == (hashlib.sha256(b"one").digest(), hashlib.sha256(b"").digest())
    assert isinstance(taken, StoreUnavailable)
    assert [await get(store, key) for key in ("clips/a.bin", KEY, "clips/b.bin")] == [b"one", b"first", b""]


async def test_an_object_that_is_not_there_cannot_be_opened(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        await store.open(KEY, size_bytes=None)


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


async def test_an_opened_object_stays_readable_after_its_deletion(store: ObjectStore) -> None:
    content = bytes(1_000_000)
    await put(store, KEY, content)
    reader = await store.open(KEY, size_bytes=None)

    await store.delete_many([KEY])
    read = b"".join([chunk async for chunk in reader.read(0, reader.size_bytes)])

    assert read == content


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


def _as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _as_link(path: Path) -> None:
    kept = path.rename(path.with_name("kept"))
    path.symlink_to(kept)


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "difference"),
    [
        (lambda path: path.write_bytes(b"short"), "size is 5, not 7"),
        (lambda path: path.write_bytes(b"too long"), "size is 8, not 7"),
        (_as_pipe, "not a regular file"),
        (_as_link, "not a regular file"),
        (_as_folder, "not a regular file"),
    ],
)
async def test_what_is_not_as_its_row_says_is_not_opened(
    store: ObjectStore, spoil: Callable[[Path], None], difference: str
) -> None:
    """Promise 37; a pipe that nobody writes to is not waited for either."""
    await put(store, KEY)
    spoil(Path(store.where(KEY)))

    with pytest.raises(ObjectDamaged) as damaged:
        await store.open(KEY, size_bytes=len(b"content"))

    assert damaged.value.difference == difference
