"""Imports where archives have a disk of their own: in place only where the keys of a tree mean where it lies."""

from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.errors import InvalidRequest
from media_analysis.imports.tree.service import TreeImportRequest, TreeImportService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import Purpose, adopt_store
from media_analysis.storage.paired import PairedStore
from media_analysis.storage.places import Places
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.imports.tree.conftest import Importing, rows, write

KEY = "archives/2026/01/run.tar.gz"


@pytest.fixture
def disk_path(tmp_path: Path) -> Path:
    return tmp_path / "disk" / "archives"


@pytest.fixture
def environment(environment: dict[str, str], disk_path: Path) -> dict[str, str]:
    return {**environment, "ARCHIVE_BASE_PATH": str(disk_path)}


async def test_archives_that_lie_on_their_disk_are_imported_there(
    importing: Importing, disk_path: Path, database: str
) -> None:
    write(disk_path / KEY)

    report = await importing(disk_path / "archives", category=Category.ARCHIVES)

    assert (report.in_place, report.files) == (True, 1)
    assert [row["key"] for row in await rows(database)] == [KEY]


async def test_copied_archives_come_to_lie_on_their_disk(
    importing: Importing, runtime: Runtime, tree: Path, disk_path: Path
) -> None:
    write(tree / "run.tar.gz")

    report = await importing(tree, category=Category.ARCHIVES)

    assert (report.in_place, report.files) == (False, 1)
    assert len(objects(disk_path)) == 1
    assert objects(disk_of(runtime.store).root) == []


async def test_the_whole_store_is_imported_without_archives_left_in_it(
    importing: Importing, runtime: Runtime, database: str
) -> None:
    write(disk_of(runtime.store).root / "frames" / "a.jpg")
    left = write(disk_of(runtime.store).root / KEY)

    report = await importing(disk_of(runtime.store).root)
    left.unlink()

    assert report.seen == 1
    assert [row["key"] for row in await rows(database)] == ["frames/a.jpg"]


@pytest.mark.parametrize("place", ["store/archives", "disk/archives", "disk/archives/clips"])
async def test_a_tree_whose_keys_would_mean_another_place_is_refused(
    importing: Importing, runtime: Runtime, tmp_path: Path, place: str
) -> None:
    directory = (disk_of(runtime.store).root.parent if place.startswith("store") else tmp_path) / place
    stray = write(directory / "stray.bin")

    with pytest.raises(InvalidRequest, match="archives lie below the base path of archives, and nothing else does"):
        await importing(directory)
    stray.unlink()


async def test_what_holds_the_archive_disk_or_is_its_own_is_refused(
    importing: Importing, tmp_path: Path, disk_path: Path
) -> None:
    write(disk_path / ".quarantine" / "2026-01-01" / "old").unlink()

    with pytest.raises(InvalidRequest, match="the store lies inside it"):
        await importing(tmp_path / "disk")
    with pytest.raises(InvalidRequest, match="it is the store's own"):
        await importing(disk_path / ".quarantine")
    with pytest.raises(InvalidRequest, match="it lies in the store"):
        await importing(disk_path / ".quarantine", in_place=False)


async def test_a_tree_in_a_store_whose_archives_lie_in_another_one_is_refused(
    service: TreeImportService, runtime: Runtime, tmp_path: Path
) -> None:
    disk = disk_of(runtime.store)
    adopt_store(tmp_path / "apart", disk.instance_id, fresh_database=True)
    apart = DiskStore(Places(tmp_path / "apart"), disk.instance_id, Purpose.ARCHIVES)
    paired = replace(service, store=PairedStore(disk, apart))
    left = write(disk.root / "frames" / "a.jpg")

    for directory in (disk.root, disk.root / "frames", disk.root.parent):
        for in_place in (None, True, False):
            asked = TreeImportRequest(
                directory=directory, category=Category.FRAMES, owner="admin", actor="test", in_place=in_place
            )
            with pytest.raises(InvalidRequest, match="the store"):
                await paired.run(asked)
    left.unlink()
    apart.close()
