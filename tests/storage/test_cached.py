"""What is read at once, and what is left to a thread: whatever a disk would be asked for, or is not as it should be."""

import os
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.storage import cached
from media_analysis.storage.cached import read_cached, roots_at_once
from media_analysis.storage.disk import DiskStore
from tests.storage.conftest import put

CONTENT = b"content"


@pytest.fixture
def local(tmp_path: Path) -> Path:
    if tmp_path not in roots_at_once([tmp_path]):
        pytest.skip("files of this file system are not read at once")
    return tmp_path


def test_what_is_in_memory_is_read_at_once(local: Path) -> None:
    path = local / "object"
    path.write_bytes(CONTENT)

    assert read_cached(os.fsencode(path), len(CONTENT)) == CONTENT


def test_nothing_is_read_that_is_not_in_memory(local: Path) -> None:
    path = local / "object"
    path.write_bytes(bytes(2**20))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    assert read_cached(os.fsencode(path), 2**20) is None


@pytest.mark.parametrize("stands", ["nothing", "more bytes", "fewer bytes", "a link", "a folder", "a pipe"])
def test_what_is_not_as_its_row_says_is_left_to_whoever_says_what_is_wrong(local: Path, stands: str) -> None:
    path, other = local / "object", local / "other"
    other.write_bytes(CONTENT)
    match stands:
        case "more bytes":
            path.write_bytes(CONTENT + b"!")
        case "fewer bytes":
            path.write_bytes(CONTENT[:-1])
        case "a link":
            path.symlink_to(other)
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)

    open_before = _descriptors()

    assert read_cached(os.fsencode(path), len(CONTENT)) is None
    assert _descriptors() == open_before


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_nothing_is_read_at_once_where_no_kind_of_file_system_is_known_to_answer_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "_LOCAL", frozenset({"nfs4"}))

    assert roots_at_once([tmp_path]) == frozenset()


async def test_a_store_reads_the_same_at_once_and_by_a_thread(disk: DiskStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key = f"temp/{uuid4()}"
    await put(disk, key, CONTENT)

    at_once = await disk.read(key, size_bytes=len(CONTENT))
    monkeypatch.setattr(disk, "_at_once", frozenset())

    assert at_once == await disk.read(key, size_bytes=len(CONTENT)) == CONTENT
