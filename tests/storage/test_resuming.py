"""Objects that are gone on with: behind the bytes that count, by one writer at a time, and hashed as a whole."""

import hashlib

import pytest

from media_analysis.errors import ObjectBusy, ObjectDamaged, ObjectMissing
from media_analysis.storage.disk import DiskStore
from tests.storage.conftest import create, get, put

KEY = "uploads/2026-01-01/a.bin"
FIRST, STALE, REST = b"first bytes", b"what a crash left", bytes(range(256))


async def test_an_object_goes_on_behind_so_many_bytes_and_nothing_else_of_it_stays(disk: DiskStore) -> None:
    await put(disk, KEY, FIRST + STALE)

    writer = await disk.resume(KEY, size_bytes=len(FIRST), running=None)
    await writer.write(b"!")
    digest = await writer.sync()
    writer.close()

    assert await get(disk, KEY) == FIRST + b"!"
    assert digest == hashlib.sha256(FIRST + b"!").digest()


async def test_what_was_hashed_before_is_not_read_again(disk: DiskStore) -> None:
    first = await create(disk, KEY)
    await first.write(FIRST)
    running = await first.checkpoint()
    first.close()
    (disk.root / KEY).write_bytes(b"other bytes")

    writer = await disk.resume(KEY, size_bytes=len(FIRST), running=running)
    await writer.write(REST)
    digest = await writer.sync()
    writer.close()

    assert digest == hashlib.sha256(FIRST + REST).digest()


async def test_one_writer_at_a_time_goes_on_with_an_object(disk: DiskStore) -> None:
    await put(disk, KEY, FIRST)
    writer = await disk.resume(KEY, size_bytes=len(FIRST), running=None)

    with pytest.raises(ObjectBusy):
        await disk.resume(KEY, size_bytes=0, running=None)
    writer.close()
    again = await disk.resume(KEY, size_bytes=len(FIRST), running=None)
    again.close()

    assert await get(disk, KEY) == FIRST


async def test_an_object_that_is_not_there_or_not_as_long_is_not_gone_on_with(disk: DiskStore) -> None:
    await put(disk, KEY, FIRST)

    with pytest.raises(ObjectDamaged):
        await disk.resume(KEY, size_bytes=len(FIRST) + 1, running=None)
    with pytest.raises(ObjectMissing):
        await disk.resume(f"{KEY}.not", size_bytes=0, running=None)

    assert await get(disk, KEY) == FIRST
