"""What every store promises of objects that come in several turns, whatever holds their bytes."""

import hashlib
import os

import pytest

from media_analysis.errors import ObjectDamaged, ObjectMissing
from media_analysis.storage.store import ObjectStore
from tests.storage.conftest import create, get

KEY = "uploads/2026-01-01/a.bin"


async def test_an_upload_goes_on_behind_what_was_durable(store: ObjectStore) -> None:
    """Law 3: a name, then bytes in several turns, of which what was not made durable does not count."""
    content = os.urandom(20_000_000)
    first, second = content[:9_000_000], content[9_000_000:]
    (await create(store, KEY)).close()

    writer = await store.resume(KEY, size_bytes=0, running=None)
    await writer.write(first)
    running = await writer.checkpoint()
    await writer.write(os.urandom(9_000_000))
    await writer.revert()
    again = await store.resume(KEY, size_bytes=len(first), running=running)
    await again.write(second)
    digest = await again.sync()
    again.close()

    assert digest == hashlib.sha256(content).digest()
    assert await get(store, KEY) == content


async def test_an_upload_that_is_whole_says_once_more_what_it_hashes_to(store: ObjectStore) -> None:
    (await create(store, KEY)).close()
    writer = await store.resume(KEY, size_bytes=0, running=None)
    await writer.write(b"whole")
    first = await writer.sync()
    writer.close()

    again = await store.resume(KEY, size_bytes=5, running=None)
    second = await again.sync()
    again.close()

    assert first == second == hashlib.sha256(b"whole").digest()


async def test_an_upload_without_the_bytes_that_count_is_not_gone_on_with(store: ObjectStore) -> None:
    (await create(store, KEY)).close()
    writer = await store.resume(KEY, size_bytes=0, running=None)
    await writer.write(b"first")
    await writer.checkpoint()
    writer.close()

    with pytest.raises(ObjectDamaged):
        await store.resume(KEY, size_bytes=6, running=None)
    with pytest.raises(ObjectMissing):
        await store.resume("clips/none.bin", size_bytes=1, running=None)


async def test_an_upload_that_is_not_whole_is_deleted_with_all_of_it(store: ObjectStore) -> None:
    (await create(store, KEY)).close()
    writer = await store.resume(KEY, size_bytes=0, running=None)
    await writer.write(b"first")
    await writer.checkpoint()
    writer.close()

    await store.delete_many([KEY])

    with pytest.raises(ObjectMissing):
        await store.resume(KEY, size_bytes=5, running=None)
