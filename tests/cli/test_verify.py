"""`verify` from the command line: what it prints, what it moves and its exit codes."""

import json
import os
import signal
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.runtime import Runtime
from media_analysis.storage.walk import QUARANTINE
from tests.cli.commands import armed, run
from tests.conftest import OpenRuntime, StartOver, StoreFile, execute, fetch, storing
from tests.crash.points import find_moments
from tests.disks import disk_of


def stray(runtime: Runtime) -> Path:
    path = disk_of(runtime.store).root / "clips" / "stray.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"stray")
    os.utime(path, (0, 0))
    return path


async def test_a_store_in_order_is_said_to_be(store_file: StoreFile, environment: dict[str, str]) -> None:
    await store_file()

    verified = run("verify", **environment)
    reckoned = run("verify", "--ledger", **environment)
    read = run("verify", "--hash", "--rate", "none", "--json", **environment)

    assert (verified.returncode, reckoned.returncode, read.returncode) == (0, 0, 0), verified.stderr + reckoned.stderr
    assert "1 rows and 1 objects: nothing is wrong" in verified.stdout
    assert "1 files added up, 0 sums differ" in reckoned.stdout
    told = json.loads(read.stdout)
    assert (told["files"], told["bytes_read"], told["problems"], told["findings"]) == (1, 10, {}, [])


async def test_what_is_wrong_is_listed_and_makes_exit_code_2(
    runtime: Runtime, store_file: StoreFile, environment: dict[str, str]
) -> None:
    lost = await store_file(b"12345")
    path = disk_of(runtime.store).root / lost.key
    path.unlink()
    untracked = stray(runtime)

    verified = run("verify", **environment)
    as_json = run("verify", "--json", **environment)
    path.write_bytes(b"12345")
    untracked.unlink()

    assert (verified.returncode, as_json.returncode) == (2, 2)
    assert lost.key in verified.stdout
    assert "1 missing, 1 untracked" in verified.stdout
    told = json.loads(as_json.stdout)
    assert told["problems"] == {"missing": 1, "untracked": 1}
    assert told["findings"][0] == {
        "problem": "missing",
        "key": lost.key,
        "file_id": str(lost.id),
        "what": "missing",
    }


async def test_quarantine_is_a_move_on_request(runtime: Runtime, environment: dict[str, str], database: str) -> None:
    path = stray(runtime)

    young = run("verify", "--grace", "36500d", **environment)
    looked = run("verify", **environment)
    still_there = path.exists()
    moved = run("verify", "--quarantine", **environment)

    assert (young.returncode, looked.returncode, moved.returncode) == (0, 2, 2)
    assert "1 untracked objects are younger than the grace window" in young.stdout
    assert still_there
    assert "1 objects were moved to quarantine" in moved.stdout
    (place,) = (disk_of(runtime.store).root / QUARANTINE).rglob("stray.bin")
    assert place.read_bytes() == b"stray"
    (event,) = await fetch(database, "SELECT actor FROM audit_events WHERE action = 'quarantined'")
    assert event["actor"] == "command line"


@pytest.mark.crash
async def test_an_object_whose_move_to_quarantine_was_killed_is_in_one_place(
    open_here: OpenRuntime,
    start_over: StartOver,
    environment: dict[str, str],
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    command, trace = ("verify", "--quarantine"), tmp_path / "trace"
    async with open_here() as runtime:
        stray(runtime)
        run(*command, **environment, **armed(TRACE_VARIABLE, trace))

    for moment in find_moments(trace, "quarantine"):
        with subtests.test(moment):
            await start_over()
            async with open_here() as runtime:
                path = stray(runtime)
                killed = run(*command, **environment, **armed(KILL_VARIABLE, moment))
                again = run(*command, **environment)

            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert again.returncode == 0, again.stderr
            assert not path.exists()
            assert [place.read_bytes() for place in (disk_of(runtime.store).root / QUARANTINE).rglob("stray.bin")] == [
                b"stray"
            ]


@pytest.mark.crash
async def test_a_scrub_that_was_killed_is_begun_again_where_it_had_written_down_nothing(
    open_here: OpenRuntime,
    start_over: StartOver,
    environment: dict[str, str],
    database: str,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    command, trace = ("verify", "--scrub", "--json"), tmp_path / "trace"
    async with open_here() as runtime:
        await storing(runtime)(b"12345")
        run(*command, **environment, **armed(TRACE_VARIABLE, trace))

    for moment in find_moments(trace, "scrub"):
        with subtests.test(moment):
            await start_over()
            async with open_here() as runtime:
                path = disk_of(runtime.store).root / (await storing(runtime)(b"12345")).key
                path.write_bytes(b"12346")
                killed = run(*command, **environment, **armed(KILL_VARIABLE, moment))
                after = await fetch(database, "SELECT files, ended_at FROM scrubs")
                again = run(*command, **environment)
                path.write_bytes(b"12345")

            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert [tuple(row) for row in after] == [(0, None)]
            assert again.returncode == 2, again.stderr
            assert json.loads(again.stdout) == {"files": 1, "size_bytes": 5, "problems": 1, "round_ended": True}


async def test_a_ledger_that_lies_is_caught(store_file: StoreFile, environment: dict[str, str], database: str) -> None:
    await store_file(b"12345")
    await execute(database, "UPDATE ledger SET size_bytes = 6")

    caught = run("verify", "--ledger", **environment)
    as_json = run("verify", "--ledger", "--json", **environment)
    await execute(database, "UPDATE ledger SET size_bytes = 5")

    assert (caught.returncode, as_json.returncode) == (2, 2)
    assert "1 sums differ" in caught.stdout
    assert json.loads(as_json.stdout)["differences"] == [
        {"table": "ledger", "of": "alice/uploads", "column": "size_bytes", "told": 6, "truth": 5}
    ]


async def test_the_scrub_goes_on_from_the_command_line(
    runtime: Runtime, store_file: StoreFile, environment: dict[str, str], database: str
) -> None:
    rotten = await store_file(b"12345")
    path = disk_of(runtime.store).root / rotten.key
    path.write_bytes(b"12346")

    scrubbed = run("verify", "--scrub", "--json", **environment)
    path.write_bytes(b"12345")

    assert scrubbed.returncode == 2, scrubbed.stderr
    assert json.loads(scrubbed.stdout) == {"files": 1, "size_bytes": 5, "problems": 1, "round_ended": True}
    (row,) = await fetch(database, "SELECT last_error FROM media_files")
    assert row["last_error"] == "hash differs"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--ledger", "--scrub"], "either --ledger, or --scrub"),
        (["--grace", "soon"], "--grace"),
        (["--hash", "--rate", "fast"], "--rate"),
        (["--hash", "--rate", "0"], "--rate"),
        (["--scrub", "--budget", "-1"], "--budget"),
    ],
)
def test_what_makes_no_sense_is_refused(environment: dict[str, str], arguments: list[str], complaint: str) -> None:
    refused = run("verify", *arguments, **environment)

    assert refused.returncode == 1
    assert complaint in refused.stderr
