"""Old archives where archives have a disk of their own."""

from pathlib import Path

import pytest

from media_analysis.imports.runs.outcomes import Fate
from media_analysis.runtime import Runtime
from tests.archive.archived import archived_content
from tests.conftest import fetch
from tests.imports.runs.conftest import Importing
from tests.imports.runs.old import OURS, days_ago, id_of, make_folder, packed, stamped, tarred, write_archive


@pytest.fixture
def disk_path(tmp_path: Path) -> Path:
    return tmp_path / "disk" / "archives"


@pytest.fixture
def environment(environment: dict[str, str], disk_path: Path) -> dict[str, str]:
    return {**environment, "ARCHIVE_BASE_PATH": str(disk_path)}


async def test_archives_are_copied_to_their_disk(
    importing: Importing, runtime: Runtime, tree: Path, disk_path: Path, database: str
) -> None:
    at = days_ago(10)
    ours, foreign = stamped(at), stamped(at)
    write_archive(tree, f"{ours}.tar.gz", packed(ours, at), at)
    write_archive(tree, f"{foreign}.tar.gz", tarred(foreign), at)

    report = await importing(tree)

    assert not report.failed
    names = {path.name for path in below(disk_path)}
    assert names == {f"{ours}.tar.gz", f"{foreign}.tar.gz"}
    [copy] = await fetch(database, "SELECT file_id FROM archived_files WHERE filename = 'a.jpg'")
    assert await archived_content(runtime, id_of(ours), copy["file_id"]) == OURS["frames/a.jpg"]


async def test_archives_on_their_disk_stay_where_they_lie_and_runs_there_are_refused(
    importing: Importing, disk_path: Path
) -> None:
    at = days_ago(10)
    name = stamped(at)
    write_archive(disk_path, f"{name}.tar.gz", packed(name, at), at)
    folder = make_folder(disk_path / stamped(at), at, {"outputs/x.txt": b"x"})

    report = await importing(disk_path)

    fates = {each.subject.value: each.fate for each in report.outcomes if each.fate is not Fate.SKIPPED}
    assert fates == {"archive": Fate.IMPORTED, "run": Fate.REFUSED}
    (folder / "outputs/x.txt").unlink()


def below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*.tar.*") if path.is_file()]
