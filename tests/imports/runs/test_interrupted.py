"""Connections that break at the commits of an import: nothing is lost, nothing is there twice."""

from pathlib import Path

import pytest

from media_analysis.cli.import_runs import run_import_of
from media_analysis.imports.runs.terms import ImportRequest
from media_analysis.runtime import open_runtime
from media_analysis.settings import Settings
from tests.conftest import fetch
from tests.files.cutting_proxy import cutting_proxy, told
from tests.imports.runs.conftest import Importing
from tests.imports.runs.old import days_ago, make_folder, packed, stamped, write_archive
from tests.oracle import inspect_everything

COMMITS = {
    "an archive": b"UPDATE analysis_jobs SET archived_at = ",
    "a run's beginning": b"INSERT INTO analysis_jobs",
}


@pytest.mark.parametrize("delivered", [True, False], ids=["after COMMIT", "before COMMIT"])
@pytest.mark.parametrize("step", COMMITS)
async def test_an_import_that_loses_its_connection_is_finished_by_the_next(
    step: str, settings: Settings, importing: Importing, tree: Path, database: str, *, delivered: bool
) -> None:
    at = days_ago(1)
    name = stamped(at)
    make_folder(tree / stamped(at), at)
    write_archive(tree, f"{name}.tar.gz", packed(name, at), at)
    async with cutting_proxy(database) as proxy, open_runtime(settings, proxy.url) as far:
        proxy.arm(COMMITS[step], delivered=delivered)

        with told(delivered=delivered):
            await run_import_of(far).run(ImportRequest(directory=tree, owner="alice", actor="test"))

    assert proxy.cuts == 1
    assert await inspect_everything(database, settings.store_path) == []
    report = await importing(tree)
    assert not report.failed
    jobs = await fetch(database, "SELECT hold_reason, archived_at IS NULL AS active FROM analysis_jobs")
    assert sorted(row["active"] for row in jobs) == [False, True]
    assert {row["hold_reason"] for row in jobs} == {None}
    assert len(await fetch(database, "SELECT FROM media_files WHERE state = 'stored'")) == 6
