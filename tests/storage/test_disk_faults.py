"""A disk that is full, or fails to make things durable."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.errors import DiskFull, StoreUnavailable
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import adopt_store
from media_analysis.storage.places import Places
from tests.storage.conftest import create, put

KEY = "uploads/2026-01-01/a.bin"

LARGE_BYTES = 20_000_000
USE_STORE = """
import asyncio, json, sys
from pathlib import Path
from uuid import UUID
from media_analysis.errors import MediaAnalysisError
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.places import Places

async def delete(store, *keys):
    outcome = await store.delete_many(list(keys))
    return {"gone": list(outcome.gone), "failed": outcome.failed}

async def write(store, key, size):
    writer = (await store.create_many([key]))[0]
    try:
        await writer.write(bytes(size))
        return (await writer.sync()).hex()
    except MediaAnalysisError as error:
        return error.code
    finally:
        writer.close()

root, instance_id, work, *keys = sys.argv[1:]
store = DiskStore(Places(Path(root)), UUID(instance_id))
work = write(store, keys[0], int(keys[1])) if work == "write" else delete(store, *keys)
print(json.dumps(asyncio.run(work)))
store.close()
"""


def mount(*arguments: str) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    if subprocess.run(["mount", *arguments], check=False).returncode:
        pytest.skip("mounting is not allowed here")


@contextmanager
def small_disk(root: Path, *, mebibytes: int) -> Iterator[Path]:
    """Make a directory that is a disk of its own, in memory."""
    root.mkdir()
    mount("-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(root))
    try:
        yield root
    finally:
        subprocess.run(["umount", root], check=True)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[DiskStore]:
    """A store on a disk of one megabyte."""
    root, instance_id = tmp_path / "tiny", uuid4()
    root.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(root))
    store = DiskStore(Places(root), instance_id)
    try:
        adopt_store(root, instance_id, fresh_database=True)
        yield store
    finally:
        store.close()
        subprocess.run(["umount", root], check=True)


async def test_a_full_disk_is_told_as_such_and_has_room_again_after_a_deletion(tiny: DiskStore) -> None:
    writer = await create(tiny, KEY)
    await writer.write(bytes(2_000_000))
    with pytest.raises(DiskFull):
        await writer.sync()
    writer.close()

    outcome = await tiny.delete_many([KEY])
    await put(tiny, "clips/b.bin", bytes(700_000))

    assert list(outcome.gone) == [KEY]


async def test_a_writer_takes_nothing_more_once_the_disk_was_full(tiny: DiskStore) -> None:
    writer = await create(tiny, KEY)
    try:
        await writer.write(bytes(2_000_000))
        with pytest.raises(DiskFull):
            await writer.write(bytes(2_000_000))
        with pytest.raises(StoreUnavailable):
            await writer.checkpoint()
    finally:
        writer.close()


async def test_a_full_disk_is_told_to_a_thread_that_puts_pieces(tiny: DiskStore) -> None:
    writer = await create(tiny, KEY)

    def work() -> None:
        for _ in range(3):
            writer.put(bytes(600_000))

    with pytest.raises(DiskFull):
        await asyncio.to_thread(work)
    writer.close()

    assert list((await tiny.delete_many([KEY])).gone) == [KEY]


async def test_a_disk_without_room_for_a_name_fails_that_name_only(tiny: DiskStore) -> None:
    await put(tiny, "clips/a.bin")
    mount("-o", "remount,nr_inodes=5", str(tiny.root))

    fits, full = await tiny.create_many(["clips/b.bin", "clips/c.bin"])

    assert not isinstance(fits, Exception)
    fits.close()
    assert isinstance(full, DiskFull)


def with_failing(call: str, store: DiskStore, work: str, *arguments: str) -> object:
    """Use the store from a process in which every such call of the kernel ends in EIO."""
    if shutil.which("strace") is None:
        pytest.skip("strace injects the fault")
    faults = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    faults += ["-e", f"inject={call}:error=EIO"]
    program = [sys.executable, "-c", USE_STORE, str(store.root), str(store.instance_id), work, *arguments]
    done = subprocess.run([*faults, *program], capture_output=True, check=False, text=True)
    if "ptrace" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_what_is_unlinked_but_not_durably_so_stays_on_the_outbox(disk: DiskStore) -> None:
    keys = [KEY, "uploads/2026-01-01/b.bin"]
    for key in keys:
        await put(disk, key)

    outcome = with_failing("fsync", disk, "delete", *keys)
    again = await disk.delete_many(keys)

    assert outcome == {"gone": [], "failed": dict.fromkeys(keys, "EIO")}
    assert (list(again.gone), again.failed) == (keys, {})


async def test_a_disk_that_refuses_to_begin_early_is_synced_at_the_end(disk: DiskStore) -> None:
    digest = with_failing("fadvise64", disk, "write", KEY, str(LARGE_BYTES))

    assert digest == hashlib.sha256(bytes(LARGE_BYTES)).hexdigest()


async def test_a_failed_fsync_fails_the_upload(disk: DiskStore) -> None:
    await put(disk, "uploads/2026-01-01/b.bin")

    code = with_failing("fsync", disk, "write", KEY, "7")

    assert code == "store_unavailable"
