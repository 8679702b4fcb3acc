"""New objects while threads write them: more may come, whoever sends may leave, and the descriptor stays theirs."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.writing import BUFFER_BYTES, DiskWriter

BUFFER = os.urandom(BUFFER_BYTES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "object"


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


@pytest.fixture
def writer(path: Path, thread: ThreadPoolExecutor) -> Iterator[DiskWriter]:
    writer = DiskWriter("a", os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR), path, thread)
    yield writer
    writer.close()


def content_of(path: Path) -> bytes:
    return path.read_bytes()


@contextmanager
def busy(thread: ThreadPoolExecutor) -> Iterator[None]:
    """Keep it from what it is asked for meanwhile."""
    let_go = Event()
    thread.submit(let_go.wait)
    try:
        yield
    finally:
        let_go.set()


async def test_more_is_taken_while_what_came_is_written(
    writer: DiskWriter, path: Path, thread: ThreadPoolExecutor
) -> None:
    with busy(thread):
        await asyncio.wait_for(writer.write(BUFFER), timeout=60)
        await asyncio.wait_for(writer.write(b"more"), timeout=60)
    digest = await writer.sync()

    assert content_of(path) == BUFFER + b"more"
    assert digest == hashlib.sha256(BUFFER + b"more").digest()


async def test_a_writer_that_is_left_keeps_its_descriptor_until_its_thread_is_done(
    writer: DiskWriter, path: Path, thread: ThreadPoolExecutor
) -> None:
    with busy(thread):
        await writer.write(BUFFER)
        writer.close()
        writer.close()
        stranger = os.open(path.with_name("stranger"), os.O_CREAT | os.O_RDWR)
    with pytest.raises(StoreUnavailable):
        await writer.sync()

    assert content_of(path) == BUFFER
    assert os.fstat(stranger).st_size == 0
    os.close(stranger)


async def test_whoever_is_cancelled_while_it_waits_for_a_thread_loses_nothing_it_gave(
    writer: DiskWriter, path: Path, thread: ThreadPoolExecutor
) -> None:
    with busy(thread):
        await writer.write(BUFFER)
        giving = asyncio.create_task(writer.write(BUFFER))
        await asyncio.sleep(0)
        giving.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await giving
    running = await writer.checkpoint()

    assert content_of(path) == BUFFER * 2
    assert running is not None
    assert running.digest() == hashlib.sha256(BUFFER * 2).digest()


async def test_what_came_after_a_checkpoint_is_cut_off_though_a_thread_still_writes_it(
    writer: DiskWriter, path: Path, thread: ThreadPoolExecutor
) -> None:
    await writer.write(b"kept")
    await writer.checkpoint()

    with busy(thread):
        await writer.write(BUFFER)
        reverting = asyncio.create_task(writer.revert())
        await asyncio.sleep(0)
    await reverting

    assert content_of(path) == b"kept"
