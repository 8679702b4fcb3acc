"""Connections that break at each of an import's commits: nothing is lost, nothing is there twice."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from media_analysis.cli.import_ import destination_of
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.files.cutting_proxy import cutting_proxy, told
from tests.imports.tree.conftest import Importing, rows, write
from tests.oracle import inspect_everything

BY_COPY = {
    "the row": b"INSERT INTO media_files (id, owner, category, state, key",
    "the name": b"ORDER BY id FOR UPDATE",
    "the fact": b"UPDATE media_files AS file SET\n        state = 'stored'",
}
IN_PLACE = b"INSERT INTO media_files (id, owner, category, state, key"


def request(directory: Path) -> TreeImportRequest:
    return TreeImportRequest(directory=directory, category=Category.FRAMES, owner="admin", actor="test")


@pytest.mark.parametrize("delivered", [True, False], ids=["after COMMIT", "before COMMIT"])
@pytest.mark.parametrize("step", BY_COPY)
async def test_a_copy_that_loses_its_connection_is_finished_by_the_next(
    step: str,
    settings: Settings,
    runtime: Runtime,
    importing: Importing,
    tree: Path,
    database: str,
    *,
    delivered: bool,
) -> None:
    for number in range(3):
        write(tree / f"{number}.bin", bytes(number))
    async with cutting_proxy(database) as proxy, open_runtime(settings, proxy.url) as far:
        proxy.arm(BY_COPY[step], delivered=delivered)

        with nullcontext() if step == "the row" else told(delivered=delivered):  # which is made again
            await destination_of(far).run(request(tree))

    assert proxy.cuts == 1
    assert await inspect_everything(database, settings.store_path) == []
    await importing(tree)
    assert [(row["filename"], row["state"]) for row in await rows(database)] == [
        (f"{number}.bin", "stored") for number in range(3)
    ]
    assert len(objects(disk_of(runtime.store).root)) == 3


@pytest.mark.parametrize("delivered", [True, False], ids=["after COMMIT", "before COMMIT"])
async def test_an_import_in_place_that_loses_its_connection_is_finished_by_the_next(
    settings: Settings, runtime: Runtime, importing: Importing, database: str, *, delivered: bool
) -> None:
    folder = disk_of(runtime.store).root / "frames"
    write(folder / "a.bin")
    async with cutting_proxy(database) as proxy, open_runtime(settings, proxy.url) as far:
        proxy.arm(IN_PLACE, delivered=delivered)

        with told(delivered=delivered):
            await destination_of(far).run(request(folder))

    again = await importing(folder)

    assert proxy.cuts == 1
    assert (again.files, again.known) == ((0, 1) if delivered else (1, 0))
