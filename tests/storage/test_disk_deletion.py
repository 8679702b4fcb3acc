"""Deletion on disk: durable, told per object, and never believed without the marker."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import MARKER_NAME
from tests.storage.conftest import put

KEY = "uploads/2026-01-01/a.bin"
NEIGHBOUR = "uploads/2026-01-01/b.bin"


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[list[Path]]:
    """Paths made undeletable, also for root; given back in the end."""
    probe = tmp_path / "probe"
    probe.touch()
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", probe], check=False).returncode:
        pytest.skip("chattr +i needs root and a file system that knows it")
    paths = [probe]
    yield paths
    subprocess.run(["chattr", "-i", *paths], check=True)


def freeze(path: Path, frozen: list[Path]) -> None:
    subprocess.run(["chattr", "+i", path], check=True)
    frozen.append(path)


def folders(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir())


async def test_folders_go_with_their_last_object_but_those_of_categories(disk: DiskStore) -> None:
    for key in (KEY, NEIGHBOUR, "archives/2026/01/c.tar"):
        await put(disk, key)

    await disk.delete_many([KEY, "archives/2026/01/c.tar"])
    after_one = folders(disk.root)
    await disk.delete_many([NEIGHBOUR])

    assert after_one == ["archives", "uploads", NEIGHBOUR.rpartition("/")[0]]
    assert folders(disk.root) == ["archives", "uploads"]


@pytest.mark.parametrize("key", ["uploads/2026-01-01/gone.bin", "frames/gone/gone.bin"])
async def test_an_absent_object_counts_as_gone_only_under_the_marker(disk: DiskStore, key: str) -> None:
    await put(disk, KEY)
    marker = (disk.root / MARKER_NAME).read_bytes()

    (disk.root / MARKER_NAME).unlink()
    with pytest.raises(MarkerMismatch):
        await disk.delete_many([key])
    (disk.root / MARKER_NAME).write_bytes(marker)
    outcome = await disk.delete_many([key])

    assert list(outcome.gone) == [key]


async def test_an_unmounted_root_confirms_nothing(disk: DiskStore, tmp_path: Path) -> None:
    await put(disk, KEY)
    disk.root.rename(tmp_path / "unmounted")
    disk.root.mkdir()

    with pytest.raises(MarkerMismatch):
        await disk.delete_many([KEY])

    assert (tmp_path / "unmounted" / KEY).exists()


async def test_a_directory_in_an_objects_place_fails_alone(disk: DiskStore) -> None:
    await put(disk, NEIGHBOUR)
    (disk.root / KEY / "inside").mkdir(parents=True)

    outcome = await disk.delete_many([KEY, NEIGHBOUR])

    assert (list(outcome.gone), outcome.failed) == ([NEIGHBOUR], {KEY: "EISDIR"})
    assert (disk.root / KEY / "inside").is_dir()


async def test_an_undeletable_object_fails_alone(disk: DiskStore, frozen: list[Path]) -> None:
    for key in (KEY, NEIGHBOUR):
        await put(disk, key)
    freeze(disk.root / KEY, frozen)

    outcome = await disk.delete_many([KEY, NEIGHBOUR])

    assert (list(outcome.gone), outcome.failed) == ([NEIGHBOUR], {KEY: "EPERM"})
    assert (disk.root / KEY).exists()


async def test_an_undeletable_folder_fails_alone(disk: DiskStore, frozen: list[Path]) -> None:
    for key in (KEY, NEIGHBOUR, "clips/c.bin"):
        await put(disk, key)
    freeze((disk.root / KEY).parent, frozen)

    outcome = await disk.delete_many([KEY, "clips/c.bin", NEIGHBOUR])

    assert (list(outcome.gone), outcome.failed) == (["clips/c.bin"], {KEY: "EPERM", NEIGHBOUR: "EPERM"})


async def test_a_file_in_a_folders_place_fails_what_should_lie_in_it(disk: DiskStore) -> None:
    (disk.root / "clips").touch()

    outcome = await disk.delete_many(["clips/c.bin"])

    assert (list(outcome.gone), outcome.failed) == ([], {"clips/c.bin": "ENOTDIR"})
