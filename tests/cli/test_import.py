"""`import`: destination from the command line, killed at every step and asked for again."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.integrity.reckoning import reckon
from tests.cli.commands import armed, run
from tests.conftest import OpenRuntime, StartOver, execute, fetch
from tests.crash.points import EVERYTHING, find_moments
from tests.oracle import inspect_everything

pytestmark = pytest.mark.usefixtures("served")

FILES = 130
"""More than one batch of copies."""


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
    assert "imported 1 files, 5 B; 0 were known already" in imported.stdout
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


@pytest.mark.large
@pytest.mark.crash
async def test_a_copy_killed_at_any_moment_goes_on_when_asked_for_again(
    environment: dict[str, str],
    tree: Path,
    store: Path,
    database: str,
    open_here: OpenRuntime,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    command, trace = ("import", tree, "--category", "frames", "--json"), tmp_path / "trace"
    assert run(*command, **environment, **armed(TRACE_VARIABLE, trace)).returncode == 0

    for moment in find_moments(trace, "import", when="last", kinds=EVERYTHING - {"marker"}):
        with subtests.test(moment):
            await start_over()
            async with open_here():
                pass
            killed = run(*command, **environment, **armed(KILL_VARIABLE, moment))
            left = await inspect_everything(database, store)
            resumed = run(*command, **environment)

            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert left == []
            assert resumed.returncode == 0, resumed.stderr
            assert await stored(database) == ALL
            assert await inspect_everything(database, store) == []


@pytest.mark.crash
async def test_an_import_in_place_killed_at_any_moment_goes_on_when_asked_for_again(
    environment: dict[str, str],
    store: Path,
    database: str,
    open_here: OpenRuntime,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    command, trace = ("import", store / "outputs" / "old", "--category", "outputs", "--json"), tmp_path / "trace"
    grow(store / "outputs" / "old")
    assert run(*command, **environment, **armed(TRACE_VARIABLE, trace)).returncode == 0

    for moment in find_moments(trace, "import in place"):
        with subtests.test(moment):
            await start_over()
            async with open_here() as runtime:
                grow(store / "outputs" / "old")
                killed = run(*command, **environment, **armed(KILL_VARIABLE, moment))
                resumed = run(*command, **environment)

                assert killed.returncode == -signal.SIGKILL, killed.stderr
                assert resumed.returncode == 0, resumed.stderr
                assert await stored(database) == ALL
                assert (await reckon(runtime.db)).differences == []


async def test_copies_left_by_a_dead_import_go_with_their_lease(
    environment: dict[str, str], tree: Path, store: Path, database: str
) -> None:
    run("import", tree, "--category", "frames", **environment, **armed(KILL_VARIABLE, "import.named:1"))
    await execute(database, "UPDATE media_files SET due_at = now() - interval '1 s' WHERE state = 'pending'")

    swept = run("sweep", **environment)
    resumed = run("import", tree, "--category", "frames", **environment)

    assert swept.returncode == 0, swept.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert await stored(database) == ALL
    assert await inspect_everything(database, store) == []


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ("s3://key:secret@media/old", "the address of a bucket has no user, password or parameters"),
        ("s3://media//old", "'/old' is not a prefix"),
        ("ftp://media/old", "the address of a bucket begins with s3://, gs:// or az://"),
        ("file:///nowhere/at/all", "/nowhere/at/all is no directory"),
    ],
    ids=["password", "slashes", "scheme", "directory"],
)
def test_an_address_that_is_none_is_refused_in_words_without_what_may_be_secret(tree: str, told: str) -> None:
    refused = run("import", tree, "--category", "outputs")

    assert refused.returncode == 1
    assert told in refused.stderr
    assert "secret" not in refused.stderr


async def test_a_bucket_that_does_not_answer_is_refused_in_a_line(environment: dict[str, str], database: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        variables = {
            "IMPORT_AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "IMPORT_AWS_ALLOW_HTTP": "true",
            "IMPORT_AWS_ACCESS_KEY_ID": "somebody",
            "IMPORT_AWS_SECRET_ACCESS_KEY": "unspeakable",
            "STORAGE_REMOTE_RETRY_SECONDS": "0",
        }
        away = run("import", "s3://media/old", "--category", "outputs", **environment, **variables)

    assert away.returncode == 1
    told = "the bucket cannot be reached: nothing listens there"
    assert away.stderr == f"media-analysis: s3://media/old cannot be read: {told}\n"
    assert await fetch(database, "SELECT FROM media_files") == []
