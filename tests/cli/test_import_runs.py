"""`import-runs`: old runs and archives adopted from the command line, killed at every step and asked for again."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TESTING_VARIABLE, TRACE_VARIABLE
from media_analysis.integrity.reckoning import reckon
from media_analysis.runtime import Runtime
from tests.archive.archived import archived_content, content_of
from tests.cli.commands import run
from tests.conftest import fetch
from tests.crash.points import once_each
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

OF_RUNS: Final = frozenset(
    {
        *("adopt_runs.beginning", "adopt_runs.begun", "adopt_runs.finishing", "adopt_runs.finished"),
        *("adopt_runs.renamed", "adopt_runs.next", "import.registered", "import.named"),
        *("import.written", "import.storing", "import.stored", "store.folder_made"),
        *("upload.bytes_written", "upload.file_synced"),
    }
)
OF_ARCHIVES: Final = frozenset(
    {
        *("adopt_runs.registered", "adopt_runs.synced", "adopt_runs.proven"),
        *("adopt_runs.committing", "adopt_runs.committed", "upload.registering", "upload.registered"),
        *("upload.locked", "upload.named", "upload.created"),
    }
)
IN_PLACE: Final = ("adopt_runs.claiming", "adopt_runs.claimed", "adopt_runs.committing", "adopt_runs.committed")
KILLS: Final = [
    *(f"{point}:1" for point in sorted(OF_RUNS | OF_ARCHIVES)),
    *(
        "adopt_runs.next:2",
        "adopt_runs.committing:2",
        "adopt_runs.synced:2",
        "import.stored:3",
        "upload.bytes_written:6",
        "upload.file_synced:6",
    ),
]
"""Points that both have are reached by the runs first, hence the later hits."""
AT: Final = days_ago(5)
RUN: Final = UUID("6f1c2a5e-0d3b-4f69-9a51-7a1f4c3d2b10")
OURS_NAME: Final = stamped(AT, UUID("0199f1de-0000-7000-8000-000000000001"))
FOREIGN_NAME: Final = stamped(AT, UUID("0199f1de-0000-7000-8000-000000000002"))


def grow(tree: Path) -> Path:
    make_folder(tree / str(RUN), AT)
    write_archive(tree, f"{OURS_NAME}.tar.gz", packed(OURS_NAME, AT), AT)
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = grow(tmp_path / "old")
    write_archive(made, f"{FOREIGN_NAME}.tar.bz2", tarred(FOREIGN_NAME, mode="w:bz2"), AT)
    return made


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


async def test_runs_and_archives_are_adopted_and_the_outcome_told(
    environment: dict[str, str], tree: Path, runtime: Runtime, database: str
) -> None:
    imported = run("import-runs", tree, "--owner", "alice", "--json", **environment)

    assert imported.returncode == 0, imported.stderr
    told: dict[str, Any] = json.loads(imported.stdout)
    assert told["counts"] == {"adopted": 3, "planned": 0, "known": 0, "skipped": 0, "refused": 0}
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
    assert "would adopt 1 runs and 2 archives with 12 files" in dry.stdout
    assert "adopted 1 runs and 2 archives with 12 files" in done.stdout
    assert "skipped holiday: its name is that of no run" in done.stdout
    assert "broken.tar.gz: it is neither gzip, bz2, xz nor zstd" in done.stderr
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
@pytest.mark.parametrize("moment", once_each(KILLS))
async def test_an_import_killed_at_any_moment_goes_on_when_asked_for_again(
    moment: str, environment: dict[str, str], tree: Path, store: Path, runtime: Runtime, database: str
) -> None:
    command = ("import-runs", tree, "--rename", "--json")
    armed = {KILL_VARIABLE: moment, TESTING_VARIABLE: "1"}

    killed = run(*command, **environment, **armed)
    left = await inspect_everything(database, store)
    resumed = run(*command, **environment)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert left == []
    assert resumed.returncode == 0, resumed.stderr
    await require_all(runtime, database, ALL)
    assert (tree / stamped(AT, RUN)).is_dir()


@pytest.mark.crash
@pytest.mark.parametrize("point", IN_PLACE)
async def test_an_import_in_place_killed_at_any_moment_goes_on_when_asked_for_again(
    point: str, runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    tree = grow(runtime.store.root / "outputs" / "old")
    command = ("import-runs", tree, "--json")

    killed = run(*command, **environment, **{KILL_VARIABLE: f"{point}:1", TESTING_VARIABLE: "1"})
    resumed = run(*command, **environment)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert resumed.returncode == 0, resumed.stderr
    await require_all(runtime, database, {id_of(OURS_NAME): OURS})
    assert (await reckon(runtime.db)).differences == []


@pytest.mark.crash
def test_the_kills_are_at_all_moments_there_are(environment: dict[str, str], tree: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    imported = run(
        "import-runs", tree, "--rename", **environment, **{TRACE_VARIABLE: str(trace), TESTING_VARIABLE: "1"}
    )

    reached = {line.rpartition(":")[0] for line in trace.read_text().splitlines()}
    assert imported.returncode == 0
    assert reached - {"marker.written"} == OF_RUNS | OF_ARCHIVES
