"""`import-runs`: old runs and archives imported from the command line, killed at every step and asked for again."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.integrity.reckoning import reckon
from media_analysis.runtime import Runtime
from tests.archive.archived import archived_content, content_of
from tests.cli.commands import armed, run
from tests.conftest import OpenRuntime, StartOver, fetch
from tests.crash.points import EACH, EVERYTHING, find_moments
from tests.imports.runs.old import (
    CONTENTS,
    OURS,
    days_ago,
    id_of,
    make_folder,
    packed,
    stamped,
    tarred,
    write_archive,
)
from tests.oracle import inspect_everything

pytestmark = pytest.mark.usefixtures("served")

RENAMING: Final = ("import-runs", "--rename", "--json")
AT: Final = days_ago(5)
RUN: Final = UUID("6f1c2a5e-0d3b-4f69-9a51-7a1f4c3d2b10")
OURS_NAME: Final = stamped(AT, UUID("0199f1de-0000-7000-8000-000000000001"))
FOREIGN_NAME: Final = stamped(AT, UUID("0199f1de-0000-7000-8000-000000000002"))


def grow(tree: Path) -> Path:
    make_folder(tree / str(RUN), AT)
    write_archive(tree, f"{OURS_NAME}.tar.gz", packed(OURS_NAME, AT), AT)
    return tree


def grow_all(tree: Path) -> Path:
    grow(tree)
    write_archive(tree, f"{FOREIGN_NAME}.tar.bz2", tarred(FOREIGN_NAME, mode="w:bz2"), AT)
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return grow_all(tmp_path / "old")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "var" / "store"


async def require_all(runtime: Runtime, database: str, archives: Mapping[UUID, Mapping[str, bytes]]) -> None:
    """Read every file of the run and of the archives; nothing is there twice."""
    jobs = await fetch(database, "SELECT id, hold_reason FROM analysis_jobs")
    assert {row["id"] for row in jobs} == {RUN, *archives}
    assert {row["hold_reason"] for row in jobs} == {None}
    files = await fetch(database, "SELECT id, filename, job_id, role, state::text FROM media_files")
    assert {row["state"] for row in files} == {"stored"}
    assert sorted(row["job_id"] for row in files if row["role"] == "archive") == sorted(archives)
    contents = {row["filename"]: await content_of(runtime, row["id"]) for row in files if row["job_id"] == RUN}
    assert contents == by_name(CONTENTS)
    assert len(files) == len(CONTENTS) + len(archives)
    for job_id, wanted in archives.items():
        copies = await fetch(database, "SELECT file_id, filename FROM archived_files WHERE job_id = $1", job_id)
        held = {row["filename"]: await archived_content(runtime, job_id, row["file_id"]) for row in copies}
        assert held == by_name(wanted)
        assert len(copies) == len(wanted)


def by_name(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    return {Path(name).name: content for name, content in contents.items()}


ALL: Final[Mapping[UUID, Mapping[str, bytes]]] = {id_of(OURS_NAME): OURS, id_of(FOREIGN_NAME): CONTENTS}


async def test_runs_and_archives_are_imported_and_the_outcome_told(
    environment: dict[str, str], tree: Path, runtime: Runtime, database: str
) -> None:
    imported = run("import-runs", tree, "--owner", "alice", "--json", **environment)

    assert imported.returncode == 0, imported.stderr
    told: dict[str, Any] = json.loads(imported.stdout)
    assert told["counts"] == {"imported": 3, "planned": 0, "known": 0, "skipped": 0, "refused": 0}
    assert [each["subject"] for each in told["outcomes"]] == ["run", "archive", "archive"]
    assert told["outcomes"][0]["job_id"] == str(RUN)
    assert told["outcomes"][0]["files"] == len(CONTENTS)
    await require_all(runtime, database, ALL)


async def test_what_is_refused_is_said_in_words_and_by_the_exit_code(environment: dict[str, str], tree: Path) -> None:
    (tree / "holiday").mkdir()
    write_archive(tree, "broken.tar.gz", b"not an archive", AT)

    dry = run("import-runs", tree, "--dry-run", **environment)
    done = run("import-runs", tree, **environment)

    assert (dry.returncode, done.returncode) == (1, 1)
    assert "would import 1 runs and 2 archives with 12 files" in dry.stdout
    assert "imported 1 runs and 2 archives with 12 files" in done.stdout
    assert "skipped holiday: its name is that of no run" in done.stdout
    assert "broken.tar.gz: the archive is neither gzip, bz2, xz nor zstd" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["/nowhere/at/all"], "is no directory"),
        (["/"], "the store lies inside it"),
        ([".", "--owner", "no body"], "--owner"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_sentence(
    environment: dict[str, str], arguments: list[str], complaint: str
) -> None:
    refused = run("import-runs", *arguments, **environment)

    assert refused.returncode == 1
    assert complaint in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.crash
@pytest.mark.parametrize("when", EACH)
async def test_an_import_killed_at_any_moment_goes_on_when_asked_for_again(
    when: str,
    environment: dict[str, str],
    store: Path,
    open_here: OpenRuntime,
    start_over: StartOver,
    database: str,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    recorded = run(*RENAMING, grow_all(tmp_path / "old"), **environment, **armed(TRACE_VARIABLE, trace))
    assert recorded.returncode == 0, recorded.stderr

    for moment in find_moments(trace, "import runs", when=when, kinds=EVERYTHING - {"marker"}):
        with subtests.test(moment):
            await start_over()
            tree = grow_all(tmp_path / moment)
            async with open_here() as runtime:
                killed = run(*RENAMING, tree, **environment, **armed(KILL_VARIABLE, moment))
                left = await inspect_everything(database, store)
                resumed = run(*RENAMING, tree, **environment)

                assert killed.returncode == -signal.SIGKILL, killed.stderr
                assert left == []
                assert resumed.returncode == 0, resumed.stderr
                await require_all(runtime, database, ALL)
                assert (tree / stamped(AT, RUN)).is_dir()


@pytest.mark.crash
async def test_an_import_in_place_killed_at_any_moment_goes_on_when_asked_for_again(
    environment: dict[str, str],
    store: Path,
    open_here: OpenRuntime,
    start_over: StartOver,
    database: str,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    command, trace = ("import-runs", store / "outputs" / "old", "--json"), tmp_path / "trace"
    grow(store / "outputs" / "old")
    assert run(*command, **environment, **armed(TRACE_VARIABLE, trace)).returncode == 0

    for moment in find_moments(trace, "import runs in place", kinds={"import_runs", "import_runs_in_place"}):
        with subtests.test(moment):
            await start_over()
            async with open_here() as runtime:
                grow(store / "outputs" / "old")
                killed = run(*command, **environment, **armed(KILL_VARIABLE, moment))
                resumed = run(*command, **environment)

                assert killed.returncode == -signal.SIGKILL, killed.stderr
                assert resumed.returncode == 0, resumed.stderr
                await require_all(runtime, database, {id_of(OURS_NAME): OURS})
                assert (await reckon(runtime.db)).differences == []
