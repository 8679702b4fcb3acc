"""What every store promises to whoever reads, whatever holds its bytes."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from media_analysis.errors import ObjectDamaged, ObjectMissing
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.reading import FileRegion
from media_analysis.storage.store import ObjectReader, ObjectStore
from tests.storage.conftest import put

KEY = "uploads/2026-01-01/a.bin"


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


async def test_an_object_that_is_not_there_cannot_be_opened(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        await store.open(KEY, size_bytes=None)


async def test_an_opened_object_is_read_whole_or_not_at_all_after_its_deletion(store: ObjectStore) -> None:
    content = bytes(1_000_000)
    await put(store, KEY, content)
    reader = await store.open(KEY, size_bytes=None)

    await store.delete_many([KEY])
    reading = _read_all(reader)

    if store.keeps_what_is_open:
        assert await reading == content
    else:
        with pytest.raises(ObjectMissing):
            await reading


async def _read_all(reader: ObjectReader) -> bytes:
    return b"".join([chunk async for chunk in reader.read(0, reader.size_bytes)])


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
async def test_what_is_not_as_its_row_says_any_more_is_not_opened(
    local_store: DiskStore, spoil: Callable[[Path], None], difference: str
) -> None:
    """Promise 37; a pipe that nobody writes to is not waited for either."""
    await put(local_store, KEY)
    spoil(local_store.path_of(KEY))

    with pytest.raises(ObjectDamaged) as damaged:
        await local_store.open(KEY, size_bytes=len(b"content"))

    assert damaged.value.difference == difference


@pytest.mark.parametrize("content", [b"short", b"too long"])
async def test_an_object_of_another_size_than_its_row_says_is_read_by_no_way(
    store: ObjectStore, content: bytes
) -> None:
    """Promise 37."""
    await put(store, KEY, content)

    def open_here() -> None:
        store.open_file(KEY, size_bytes=7)

    for reading in (
        store.open(KEY, size_bytes=7),
        store.require(KEY, size_bytes=7),
        store.read(KEY, size_bytes=7),
        asyncio.to_thread(open_here),
    ):
        with pytest.raises(ObjectDamaged) as damaged:
            await reading
        assert damaged.value.difference == f"size is {len(content)}, not 7"


async def test_what_is_not_there_is_read_by_no_way(store: ObjectStore) -> None:
    def open_here() -> None:
        store.open_file(KEY, size_bytes=7)

    for reading in (
        store.open(KEY, size_bytes=7),
        store.require(KEY, size_bytes=0),
        store.read(KEY, size_bytes=0),
        asyncio.to_thread(open_here),
    ):
        with pytest.raises(ObjectMissing):
            await reading


async def test_an_object_is_read_as_a_file_that_can_be_sought(store: ObjectStore) -> None:
    content = os.urandom(3_000_001)
    await put(store, KEY, content)

    def read() -> list[bytes]:
        with store.open_file(KEY, size_bytes=len(content)) as file:
            first = file.read(3)
            file.seek(-5, os.SEEK_END)
            last = file.read()
            file.seek(1_000_000)
            return [first, last, file.read(10), b"".join(iter(lambda: file.read(700_000), b"")), file.read(1)]

    first, last, middle, rest, nothing = await asyncio.to_thread(read)

    assert (first, last, middle) == (content[:3], content[-5:], content[1_000_000:1_000_010])
    assert rest == content[1_000_010:]
    assert nothing == b""


@pytest.mark.parametrize("content", [b"", os.urandom(5_000_000)])
async def test_local_copies_are_all_of_their_objects_in_their_order(store: ObjectStore, content: bytes) -> None:
    objects = {KEY: content, "archives/2026/01/a.tar": b"packed", "clips/a.bin": b"clip"}
    for key, whole in objects.items():
        await put(store, key, whole)

    async with store.local_copies([(key, len(whole)) for key, whole in objects.items()]) as paths:
        assert [path.read_bytes() for path in paths] == list(objects.values())
