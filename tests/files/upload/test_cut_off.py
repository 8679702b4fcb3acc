"""Uploads cancelled while they wait for the database: whoever cuts them off finds nothing of them afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import fetch
from tests.disks import disk_of
from tests.files.conftest import SlowBody, eventually, objects

UPLOAD = Upload(owner="alice", category=Category.UPLOADS, filename="a")
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@asynccontextmanager
async def nobody_writes_files(database: str) -> AsyncIterator[None]:
    """Let whoever inserts or locks a file's row wait for the block's end."""
    holder = await asyncpg.connect(database)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE media_files IN EXCLUSIVE MODE")
            yield
    finally:
        await holder.close()


@pytest.mark.parametrize("is_registered", [False, True], ids=["registering", "receiving"])
async def test_an_upload_cancelled_twice_ends_only_when_nothing_is_left(
    runtime: Runtime, database: str, *, is_registered: bool
) -> None:
    body = SlowBody()

    async def waits() -> bool:
        return bool(await fetch(database, WAITING))

    if is_registered:
        uploading = asyncio.create_task(runtime.files.uploads.store_file(UPLOAD, body.sent()))
        await body.asked.wait()
    async with nobody_writes_files(database):
        if is_registered:
            uploading.cancel()  # now its row is being given up
        else:
            uploading = asyncio.create_task(runtime.files.uploads.store_file(UPLOAD, body.sent()))
        await eventually(waits)
        uploading.cancel()
        await asyncio.wait([uploading], timeout=0.05)
        left_early = uploading.done()
    with pytest.raises(asyncio.CancelledError):
        await uploading

    assert not left_early
    assert await fetch(database, "SELECT state::text FROM media_files") == []
    assert objects(disk_of(runtime.store).root) == []
