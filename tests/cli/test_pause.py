"""`pause`, `resume` and `pauses`: deletion stops and goes on from the command line."""

import json
import os
import pty
import re
import select
import signal
import time
from uuid import uuid4

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import READY_SECONDS, clean, run
from tests.conftest import fetch
from tests.processes import start

pytestmark = pytest.mark.usefixtures("served")


async def trip(runtime: Runtime, files: int) -> str:
    async with runtime.db.transaction() as session:
        finding = PauseFinding(cause=PauseCause.SHARE, reason="7 of 9 files are due", files=files)
        return str((await add_pause(session, Category.UPLOADS, finding, by="breaker")).id)


async def still_open(database: str) -> set[str]:
    return {str(row["id"]) for row in await fetch(database, "SELECT id FROM pauses WHERE resumed_at IS NULL")}


async def test_a_pause_is_made_listed_and_ended(environment: dict[str, str], database: str, runtime: Runtime) -> None:
    paused = run("pause", "--category", "temp", "--reason", "backup", **environment)
    pause_id = paused.stdout.strip()
    listed = run("pauses", **environment)
    answered = json.loads(run("pauses", "--json", **environment).stdout)
    resumed = run("resume", pause_id, "--confirm", "0", **environment)
    nothing, everything = run("pauses", **environment), run("pauses", "--all", **environment)

    assert [each.returncode for each in (paused, listed, resumed, nothing, everything)] == [0] * 5
    assert all(word in listed.stdout for word in (pause_id, "temp", "operator", "backup", "command line"))
    assert [(each["id"], each["category"], each["resumed_at"]) for each in answered] == [(pause_id, "temp", None)]
    assert resumed.stdout == "deletion may go on in temp: backup\n"
    assert nothing.stdout == "nothing is paused\n"
    assert pause_id in everything.stdout
    rows = await fetch(
        database, "SELECT actor, action FROM audit_events WHERE action <> 'policy_activated' ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [("command line", "paused"), ("command line", "resumed")]


async def test_without_the_right_number_nothing_is_resumed(
    environment: dict[str, str], database: str, runtime: Runtime
) -> None:
    pause_id = await trip(runtime, files=7)

    for arguments in ((pause_id,), (pause_id, "--confirm", "6"), ("--all", "--confirm", "0")):
        refused = run("resume", *arguments, **environment)
        assert refused.returncode == 1
        assert "confirm with '7'" in refused.stderr
    still = await still_open(database)
    resumed = run("resume", "--all", "--confirm", "7", **environment)

    assert still == {pause_id}
    assert resumed.returncode == 0
    assert await still_open(database) == set()


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("resume",), 1, "ID: give"),
        (("resume", "--all", str(uuid4())), 1, "ID: give"),
        (("resume", str(uuid4()), "--confirm", "0"), 1, "no such pause"),
        (("resume", "--all", "--confirm", "-1"), 2, "--confirm"),
        (("pause",), 2, "--reason"),
        (("pause", "--reason", ""), 1, "--reason"),
        (("pause", "--reason", "two\nlines"), 1, "--reason"),
    ],
)
async def test_what_is_not_clear_is_refused(
    environment: dict[str, str], database: str, arguments: tuple[str, ...], code: int, named: str
) -> None:
    refused = run(*arguments, **environment)

    assert (refused.returncode, refused.stdout) == (code, "")
    assert named in refused.stderr
    assert await still_open(database) == set()


def test_resuming_all_when_nothing_is_paused_is_no_failure(environment: dict[str, str]) -> None:
    resumed = run("resume", "--all", **environment)

    assert (resumed.returncode, resumed.stdout) == (0, "nothing is paused\n")


@pytest.mark.parametrize(("typed", "code"), [("7", 0), ("8", 1)])
async def test_on_a_terminal_it_shows_the_reason_and_asks_for_the_number(
    environment: dict[str, str], database: str, runtime: Runtime, typed: str, code: int
) -> None:
    pause_id = await trip(runtime, files=7)

    printed, returned = converse(typed, "resume", pause_id, **environment)

    assert "in uploads: 7 of 9 files are due (7 files)" in printed
    assert returned == code, printed
    assert await still_open(database) == (set() if code == 0 else {pause_id})


async def test_a_signal_ends_a_command_that_waits_for_an_answer(
    environment: dict[str, str], database: str, runtime: Runtime
) -> None:
    pause_id = await trip(runtime, files=7)

    _, returned = converse(signal.SIGTERM, "resume", pause_id, **environment)

    assert returned in {-signal.SIGTERM, 128 + signal.SIGTERM}
    assert await still_open(database) == {pause_id}


def converse(answer: str | signal.Signals, *arguments: str, **environment: str) -> tuple[str, int]:
    """Run a command on a terminal, answer its question or signal then; return what it printed and its exit code."""
    leader, follower = pty.openpty()
    printed, deadline = "", time.monotonic() + READY_SECONDS
    with start(*arguments, environment=clean(environment), stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        answered = False
        while time.monotonic() < deadline and (heard := _hear(leader)) is not None:
            printed += heard
            if not answered and re.search(r"to confirm\S*: ?$", printed):
                if isinstance(answer, signal.Signals):
                    process.send_signal(answer)
                else:
                    os.write(leader, f"{answer}\n".encode())
                answered = True
        os.close(leader)
        returned = process.wait(READY_SECONDS)
    return printed, returned


def _hear(leader: int) -> str | None:
    """Return what came next, None when the command has closed its terminal."""
    ready, _, _ = select.select([leader], [], [], READY_SECONDS)
    try:
        return (os.read(leader, 4096) if ready else b"").decode() or None
    except OSError:
        return None
