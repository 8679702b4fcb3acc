"""A disk that is full, or fails to make things durable."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.errors import DiskFull
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import adopt_store, read_marker
from tests.storage.conftest import create, put

KEY = "uploads/2026-01-01/a.bin"

FAILING_FSYNC = (
    *("strace", "-f", "--seccomp-bpf", "-qq", "-o", os.devnull),
    *("-e", "trace=fsync", "-e", "inject=fsync:error=EIO"),
)
USE_STORE = """
import asyncio, json, sys
from pathlib import Path
from uuid import UUID
from media_analysis.errors import MediaAnalysisError
from media_analysis.storage.disk import DiskStore

async def delete(store, *keys):
    outcome = await store.delete_many(list(keys))
    return {"gone": list(outcome.gone), "failed": outcome.failed}

async def write(store, key):
    writer = (await store.create_many([key]))[0]
    await writer.write(b"content")
    try:
        await writer.sync()
    except MediaAnalysisError as error:
        return error.code
    finally:
        writer.close()

root, instance_id, work, *keys = sys.argv[1:]
store = DiskStore(Path(root), UUID(instance_id))
print(json.dumps(asyncio.run({"delete": delete, "write": write}[work](store, *keys))))
store.close()
"""


def mount(*arguments: str) -> None:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    if subprocess.run(["mount", *arguments], check=False).returncode:
        pytest.skip("mounting is not allowed here")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[DiskStore]:
    """A store on a disk of one megabyte."""
    root, instance_id = tmp_path / "tiny", uuid4()
    root.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(root))
    store = DiskStore(root, instance_id)
    try:
        adopt_store(root, instance_id, fresh_database=True)
        yield store
    finally:
        store.close()
        subprocess.run(["umount", root], check=True)


async def test_a_full_disk_is_told_as_such_and_has_room_again_after_a_deletion(tiny: DiskStore) -> None:
    writer = await create(tiny, KEY)
    with pytest.raises(DiskFull):
        await writer.write(bytes(2_000_000))
    writer.close()

    outcome = await tiny.delete_many([KEY])
    await put(tiny, "clips/b.bin", bytes(700_000))

    assert list(outcome.gone) == [KEY]


async def test_a_disk_without_room_for_a_name_fails_that_name_only(tiny: DiskStore) -> None:
    await put(tiny, "clips/a.bin")
    mount("-o", "remount,nr_inodes=5", str(tiny.root))

    fits, full = await tiny.create_many(["clips/b.bin", "clips/c.bin"])

    assert not isinstance(fits, Exception)
    fits.close()
    assert isinstance(full, DiskFull)


def with_failing_fsync(store: DiskStore, work: str, *keys: str) -> object:
    """Use the store from a process whose every fsync ends in EIO."""
    if shutil.which("strace") is None:
        pytest.skip("strace injects the fault")
    done = subprocess.run(
        [*FAILING_FSYNC, sys.executable, "-c", USE_STORE, str(store.root), str(read_marker(store.root)), work, *keys],
        capture_output=True,
        check=False,
        text=True,
    )
    if "ptrace" in done.stderr:
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_what_is_unlinked_but_not_durably_so_stays_on_the_outbox(disk: DiskStore) -> None:
    keys = [KEY, "uploads/2026-01-01/b.bin"]
    for key in keys:
        await put(disk, key)

    outcome = with_failing_fsync(disk, "delete", *keys)
    again = await disk.delete_many(keys)

    assert outcome == {"gone": [], "failed": dict.fromkeys(keys, "EIO")}
    assert (list(again.gone), again.failed) == (keys, {})


async def test_a_failed_fsync_fails_the_upload(disk: DiskStore) -> None:
    await put(disk, "uploads/2026-01-01/b.bin")

    code = with_failing_fsync(disk, "write", KEY)

    assert code == "store_unavailable"
