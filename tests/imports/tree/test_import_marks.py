"""What an import brings past a high-water mark is not left to the schedule."""

from pathlib import Path

import pytest

from media_analysis.imports.tree.service import TreeImportRequest, TreeImportService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.imports.tree.conftest import write
from tests.retention.pressure.pressure_stock import CLIPS, KIB, used_kib


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS


def clips(tree: Path, *, sizes_kib: tuple[int, ...]) -> TreeImportRequest:
    for number, size_kib in enumerate(sizes_kib):
        write(tree / f"{number}.mp4", bytes(size_kib * KIB))
    return TreeImportRequest(directory=tree, category=Category.CLIPS, owner="admin", actor="test")


async def test_an_import_past_the_mark_is_relieved_when_it_ends(
    service: TreeImportService, runtime: Runtime, tree: Path
) -> None:
    report = await service.run(clips(tree, sizes_kib=(30, 30, 30)))

    assert (report.files, await used_kib(runtime)) == (3, 60)


async def test_an_import_that_breaks_off_is_relieved_as_well(
    service: TreeImportService, runtime: Runtime, tree: Path
) -> None:
    def give_up(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await service.run(clips(tree, sizes_kib=(30, 30, 30)), progress=give_up)

    assert await used_kib(runtime) == 60
