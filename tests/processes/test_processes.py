"""Commands forked from what is imported already are as good as programs started from nothing."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TESTING_VARIABLE
from tests import processes
from tests.cli.commands import COMMAND, run, run_program, serving
from tests.files.conftest import eventually
from tests.processes import ROOT, start
from tests.processes.stacks import ASKED_BY

PARENT = """
import os, time
from tests.processes import start
print(start("serve", "--port", "0", environment=dict(os.environ)).pid, flush=True)
time.sleep(60)
"""


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("arguments", [("--help",), ("config",), ("job", "list", "--status", "nonsense"), ("sweep",)])
def test_a_command_prints_and_ends_as_one_started_afresh(arguments: tuple[str, ...], tmp_path: Path) -> None:
    about = {"MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}

    forked, executed = run(*arguments, **about), run_program(*COMMAND, *arguments, environment=about)

    assert (forked.returncode, forked.stdout, forked.stderr) == (executed.returncode, executed.stdout, executed.stderr)


def test_a_command_has_its_folder_its_streams_and_no_descriptor_of_another(
    environment: dict[str, str], tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    with serving(printed=tmp_path / "other", **environment), serving(printed=printed, **environment) as service:
        service.url()
        links = {int(link.name): str(link.readlink()) for link in Path(f"/proc/{service.process.pid}/fd").iterdir()}
        folder = Path(f"/proc/{service.process.pid}/cwd").readlink()

    assert folder == ROOT
    assert [links[number] for number in range(3)] == [os.devnull, str(printed), str(printed)]
    assert not [link for link in links.values() if "pidfd" in link or link == str(tmp_path / "other")]


def test_a_command_dies_at_the_failpoint_it_was_armed_for(environment: dict[str, str]) -> None:
    armed = environment | {KILL_VARIABLE: "marker.written:1"}

    killed = run("serve", "--port", "0", **armed, **{TESTING_VARIABLE: "1"})
    refused = run("serve", "--port", "0", **armed)

    assert killed.returncode == -signal.SIGKILL
    assert (refused.returncode, "is for tests only" in refused.stderr) == (1, True)


def test_a_command_can_be_interrupted_though_whoever_started_it_cannot(
    environment: dict[str, str], tmp_path: Path
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with serving(printed=tmp_path / "printed", **environment) as service:
            service.url()
            code = service.end(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert code == 0


async def test_neither_server_nor_command_outlives_who_asked_for_it(environment: dict[str, str]) -> None:
    asking = [sys.executable, "-c", PARENT]
    with subprocess.Popen(asking, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE) as parent:  # noqa: ASYNC220
        assert parent.stdout is not None
        command = int(parent.stdout.readline())
        (server,) = children_of(parent.pid)
        parent.kill()

    async def over() -> bool:
        return not lives(command) and not lives(server)

    await eventually(over)


def test_a_command_that_does_not_end_in_time_fails_with_what_its_threads_were_doing(
    environment: dict[str, str],
) -> None:
    with pytest.raises(subprocess.TimeoutExpired) as late:
        processes.run("serve", "--port", "0", environment=environment, seconds=1)

    assert "most recent call first" in "".join(late.value.__notes__)


def test_a_command_that_is_asked_tells_what_each_of_its_tasks_waits_for(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with serving(printed=tmp_path / "printed", **environment) as service:
        service.request("GET", "/healthz", token="unused")
        code = service.end(ASKED_BY)

    assert code == -ASKED_BY
    assert "await server.serve(" in service.output
    assert "in main_loop" in service.output


def test_how_a_command_ended_is_told_as_often_as_it_is_asked() -> None:
    with start("config", environment={}, stdout=subprocess.DEVNULL) as process:
        first = process.wait(60)

    process.kill()
    assert (first, process.wait(0), process.poll(), process.returncode) == (0, 0, 0, 0)
