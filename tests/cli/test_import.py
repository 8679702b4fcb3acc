"""`import`: adoption from the command line, killed at every step and asked for again."""

import json
import os
import signal
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TESTING_VARIABLE, TRACE_VARIABLE
from media_analysis.integrity.reckoning import reckon
from media_analysis.runtime import Runtime
from tests.cli.commands import run
from tests.conftest import execute, fetch
from tests.oracle import inspect_everything

pytestmark = pytest.mark.usefixtures("served")

FILES = 130
"""More than one batch of copies."""
BY_COPY = {
    "upload.registering": 2,
    "upload.registered": 2,
    "import.registered": 2,
    "store.folder_made": 2,
    "upload.locked": 2,
    "upload.named": 2,
    "upload.created": 2,
    "import.named": 2,
    "upload.bytes_written": FILES,
    "upload.file_synced": FILES,
    "import.written": 2,
    "import.storing": 2,
    "import.stored": 2,
}
IN_PLACE = {"import.adopting": 1, "import.adopted": 1}
KILLS = [f"{point}:{hits}" for point, hits in BY_COPY.items()]


def grow(tree: Path) -> Path:
    for number in range(FILES):
        path = tree / f"folder-{number % 3}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * number)
        os.utime(path, (1_767_225_600 + number, 1_767_225_600 + number))
    return tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return grow(tmp_path / "old")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "var" / "store"


async def stored(database: str) -> list[tuple[str, int]]:
    rows = await fetch(database, "SELECT filename, size_bytes, state::text FROM media_files")
    assert {row["state"] for row in rows} == {"stored"}
    return sorted((row["filename"], row["size_bytes"]) for row in rows)


ALL = sorted((f"{number}.jpg", number) for number in range(FILES))


async def test_a_tree_is_copied_and_the_outcome_told(
    environment: dict[str, str], tree: Path, store: Path, database: str
) -> None:
    imported = run("import", tree, "--category", "outputs", "--owner", "alice", "--json", **environment)

    assert imported.returncode == 0, imported.stderr
    told = json.loads(imported.stdout)
    assert told == {
        "in_place": False,
        "files": FILES,
        "size_bytes": sum(range(FILES)),
        "known": 0,
        "due_at_once": 0,
        "skipped": {},
    }
    assert await stored(database) == ALL
    assert await inspect_everything(database, store) == []


async def test_what_is_skipped_and_what_falls_due_is_said_in_words(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "link").symlink_to("nowhere")
    (folder / "old.bin").write_bytes(b"12345")
    os.utime(folder / "old.bin", (0, 0))

    imported = run("import", folder, "--category", "temp", **environment)

    assert imported.returncode == 0, imported.stderr
    assert "adopted 1 files, 5 B; 0 were known already" in imported.stdout
    assert "skipped 1 (link)" in imported.stdout
    assert "1 of them are past their lifetime" in imported.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["/nowhere/at/all", "--category", "clips"], "is no directory"),
        (["/", "--category", "clips"], "the store lies inside it"),
        ([".", "--category", "clips", "--in-place"], "only a tree inside the store"),
        ([".", "--category", "clips", "--owner", "no body"], "--owner"),
        ([".", "--category", "clips", "--job", "01900000-0000-7000-8000-000000000000"], "no such job"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_one_sentence(
    environment: dict[str, str], arguments: list[str], complaint: str
) -> None:
    refused = run("import", *arguments, **environment)

    assert refused.returncode == 1
    assert complaint in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_beyond_the_quota_the_missing_bytes_are_named(
    environment: dict[str, str], tree: Path, database: str
) -> None:
    await execute(database, "UPDATE category_policies SET quota_bytes = 1000 WHERE category = 'clips'")

    refused = run("import", tree, "--category", "clips", **environment)
    left = await fetch(database, "SELECT FROM media_files")
    agreed = run("import", tree, "--category", "clips", "--over-quota", **environment)

    assert refused.returncode == 1
    assert "the quota of clips" in refused.stderr
    assert left == []
    assert agreed.returncode == 0


@pytest.mark.crash
@pytest.mark.parametrize("moment", KILLS)
async def test_a_copy_killed_at_any_moment_goes_on_when_asked_for_again(
    moment: str, environment: dict[str, str], tree: Path, store: Path, database: str, tmp_path: Path
) -> None:
    command = ("import", tree, "--category", "frames", "--json")
    armed = {KILL_VARIABLE: moment, TESTING_VARIABLE: "1"}

    killed = run(*command, **environment, **armed)
    left = await inspect_everything(database, store)
    resumed = run(*command, **environment)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert left == []
    assert resumed.returncode == 0, resumed.stderr
    assert await stored(database) == ALL
    assert await inspect_everything(database, store) == []


@pytest.mark.crash
@pytest.mark.parametrize("point", IN_PLACE)
async def test_an_adoption_in_place_killed_at_any_moment_goes_on_when_asked_for_again(
    point: str, runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    tree = grow(runtime.store.root / "outputs" / "old")
    command = ("import", tree, "--category", "outputs", "--json")

    killed = run(*command, **environment, **{KILL_VARIABLE: f"{point}:1", TESTING_VARIABLE: "1"})
    resumed = run(*command, **environment)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert await stored(database) == ALL
    assert (await reckon(runtime.db)).differences == []


@pytest.mark.crash
def test_the_kills_are_at_all_moments_there_are(environment: dict[str, str], tree: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    imported = run(
        "import", tree, "--category", "frames", **environment, **{TRACE_VARIABLE: str(trace), TESTING_VARIABLE: "1"}
    )

    reached = {line.rpartition(":")[0] for line in trace.read_text().splitlines()}
    assert imported.returncode == 0
    assert reached - {"marker.written"} == set(BY_COPY)


async def test_copies_left_by_a_dead_import_go_with_their_lease(
    environment: dict[str, str], tree: Path, store: Path, database: str
) -> None:
    armed = {KILL_VARIABLE: "import.named:1", TESTING_VARIABLE: "1"}
    run("import", tree, "--category", "frames", **environment, **armed)
    await execute(database, "UPDATE media_files SET due_at = now() - interval '1 s' WHERE state = 'pending'")

    swept = run("sweep", **environment)
    resumed = run("import", tree, "--category", "frames", **environment)

    assert swept.returncode == 0, swept.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert await stored(database) == ALL
    assert await inspect_everything(database, store) == []
