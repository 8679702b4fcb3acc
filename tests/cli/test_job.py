"""`job`: create, list, show, watch, cancel, retry, and what a job brought."""

import asyncio
import json
import os
import pty
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.attempt import Attempt, Failure, NewResult
from media_analysis.runtime import Runtime
from tests.cli.commands import clean, run
from tests.cli.jobs import created, make_frame
from tests.conftest import execute, fetch
from tests.files.conftest import eventually
from tests.processes import Process, start

WATCHED_SECONDS = 60
EVERYBODY = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def test_a_job_is_created_as_asked_for_its_sources_owner_and_found_again(
    source: MediaFile, environment: dict[str, str], database: str
) -> None:
    asked = ("--name", "Über alles", "--parameters", '{"columns": 5}', "--priority", "7", "--ttl", "2h")

    job_id = created(environment, "analyze", "--source", str(source.id), *asked)
    listed = run("job", "list", "--status", "pending", "--kind", "analyze", **environment)
    others = run("job", "list", "--status", "failed", "--status", "completed", **environment)
    shown = run("job", "show", str(job_id), **environment)
    document = json.loads(run("job", "show", str(job_id), "--json", **environment).stdout)
    answered = json.loads(run("job", "list", "--json", **environment).stdout)

    (row,) = await fetch(database, "SELECT kind, priority, owner, lifetime_seconds FROM analysis_jobs")
    assert tuple(row) == ("analyze", 7, "alice", 7200)
    assert document["lifted"], "whoever may type it is an administrator"
    assert str(job_id) in listed.stdout
    assert "Über alles" in listed.stdout
    assert str(job_id) not in others.stdout
    assert answered == [document]
    assert re.search(r"status +pending, 0%\n", shown.stdout)
    assert f"{source.id}\n" in shown.stdout
    assert (document["parameters"], document["source_file_ids"]) == ({"columns": 5}, [str(source.id)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dance", "--owner", "alice"), "there is no kind 'dance' of job"),
        (("probe", "--parameters", "{"), "--parameters: '{' is not JSON"),
        (("probe", "--parameters", "[]"), "--parameters: '[]' is not a JSON object"),
        (
            ("frames", "--source", str(uuid4()), "--owner", "alice", "--parameters", '{"every_seconds": -1}'),
            "every_seconds",
        ),
        (("probe", "--owner", "alice"), "source_file_ids"),
        (("external", "--parameters", '{"analyser": "a"}'), "--owner: a job without a source needs an owner"),
        (("probe", "--source", str(uuid4()), "--owner", "alice"), "is not a stored file of this owner"),
        (("probe", "--owner", "alice", "--ttl", "soon"), "--ttl: "),
    ],
)
async def test_what_cannot_be_run_is_refused_in_one_sentence(
    runtime: Runtime, environment: dict[str, str], database: str, arguments: tuple[str, ...], said: str
) -> None:
    refused = run("job", "create", *arguments, **environment)

    assert refused.returncode == 1
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert await fetch(database, "SELECT 1 FROM analysis_jobs") == []


async def test_a_job_is_cancelled_and_a_failed_one_tried_again(
    runtime: Runtime, begun: Attempt, source: MediaFile, environment: dict[str, str], database: str
) -> None:
    waiting = created(environment, "probe", "--source", str(source.id))
    await runtime.jobs.attempts.fail(
        begun.job_id, fence=begun.fence, failure=Failure(code="corrupt_media", detail="all noise")
    )

    shown = run("job", "show", str(begun.job_id), **environment)
    cancelled = run("job", "cancel", str(waiting), **environment)
    retried = run("job", "retry", str(begun.job_id), **environment)
    again = run("job", "retry", str(waiting), **environment)

    rows = await fetch(database, "SELECT id, status::text FROM analysis_jobs")
    assert re.search(r"error +corrupt_media: all noise\n", shown.stdout)
    assert (cancelled.stdout, retried.stdout) == (f"cancelled {waiting}\n", f"queued {begun.job_id} again\n")
    assert {row["id"]: row["status"] for row in rows} == {waiting: "cancelled", begun.job_id: "pending"}
    assert (again.returncode, again.stdout) == (1, "")
    assert "only a failed job can be tried again" in again.stderr


async def test_all_jobs_that_wait_are_cancelled_when_it_is_said_whose_and_that_it_is_meant(
    begun: Attempt, source: MediaFile, environment: dict[str, str], database: str
) -> None:
    made = [created(environment, kind, "--source", str(source.id)) for kind in ("probe", "probe", "frames")]
    refusals = {
        (): "name one job, or say --all-pending",
        (str(made[0]), "--all-pending"): "name one job, or say --all-pending",
        (str(made[0]), "--owner", "alice"): "name one job, or say --all-pending",
        ("--all-pending", "--yes"): "--owner: name an owner, or say --everyone",
        ("--all-pending", "--owner", "alice", "--everyone", "--yes"): "--owner: name an owner, or say --everyone",
        ("--all-pending", "--owner", "alice"): "--yes: cancels all jobs of alice that wait",
    }

    refused = {arguments: run("job", "cancel", *arguments, **environment) for arguments in refusals}
    untouched = await fetch(database, "SELECT FROM analysis_jobs WHERE status = 'pending'")
    probes = run("job", "cancel", "--all-pending", "--kind", "probe", "--owner", "alice", "--yes", **environment)
    others = run("job", "cancel", "--all-pending", "--owner", "bob", "--yes", **environment)
    rest = run("job", "cancel", "--all-pending", "--everyone", "--yes", **environment)

    assert len(untouched) == 3
    for arguments, said in refusals.items():
        assert (refused[arguments].returncode, refused[arguments].stdout) == (1, "")
        assert said in refused[arguments].stderr
    printed = [done.stdout for done in (probes, others, rest)]
    assert printed == ["cancelled 2 jobs\n", "cancelled 0 jobs\n", "cancelled 1 jobs\n"]
    rows = await fetch(database, "SELECT id, status::text FROM analysis_jobs")
    assert {row["id"]: row["status"] for row in rows} == dict.fromkeys(made, "cancelled") | {begun.job_id: "running"}


async def test_what_a_job_brought_is_listed_in_time_order(
    runtime: Runtime, begun: Attempt, environment: dict[str, str]
) -> None:
    for ordinal in (2, 0, 1):
        await make_frame(runtime, begun, ordinal)
    found = NewResult(kind="probe", data={"width": 192, "note": "[bold]"}, file_id=begun.sources[0].file_id)
    await runtime.jobs.attempts.complete(begun.job_id, fence=begun.fence, results=[found])

    files = run("job", "files", str(begun.job_id), "--category", "frames", **environment)
    answered = json.loads(run("job", "files", str(begun.job_id), "--json", **environment).stdout)
    none = run("job", "files", str(begun.job_id), "--category", "clips", **environment)
    results = json.loads(run("job", "results", str(begun.job_id), **environment).stdout)
    unknown = run("job", "results", str(uuid4()), **environment)

    assert re.findall(r"frame (\d) .*?(\d\.\d{3}) s", files.stdout) == [("0", "0.000"), ("1", "0.500"), ("2", "1.000")]
    assert [(each["ordinal"], each["instant_seconds"]) for each in answered] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert "frame" not in none.stdout
    assert [(result["kind"], result["data"]) for result in results] == [("probe", {"width": 192, "note": "[bold]"})]
    assert (unknown.returncode, unknown.stdout) == (1, "")


@contextmanager
def watching(job_id: UUID, environment: dict[str, str], printed: Path) -> Iterator[Process]:
    """Watch a job as a script does, whose output goes to a file."""
    with printed.open("wb") as output:
        process = start("job", "watch", str(job_id), environment=clean(environment), stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def appears(printed: Path, sentence: str) -> None:
    async def look() -> bool:
        return sentence in await asyncio.to_thread(printed.read_text)

    await eventually(look)


async def exit_code_of(process: Process) -> int:
    return await asyncio.to_thread(process.wait, WATCHED_SECONDS)


async def test_watching_tells_every_event_and_outlives_every_connection(
    runtime: Runtime, begun: Attempt, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    with watching(begun.job_id, environment, printed) as process:
        await appears(printed, "running, attempt 1, on w")
        await runtime.jobs.attempts.tell_progress(
            begun.job_id, fence=begun.fence, share=0.25, stage="frames", done=1, total=4
        )
        await appears(printed, " 25% frames 1/4")
        await execute(database, EVERYBODY)
        await _insistently(runtime, begun)
        exit_code = await exit_code_of(process)

    lines = [line[9:] for line in printed.read_text().splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert exit_code == 0
    assert lines == [
        *("pending", "running, attempt 1, on w", " 25% frames 1/4"),
        *("warning truncated: half of it", "completed: 0 files"),
    ]


async def _insistently(runtime: Runtime, begun: Attempt) -> None:
    """Warn and complete, over connections that may have died."""
    await runtime.jobs.catalog.get(begun.job_id, owner=None)
    await runtime.jobs.attempts.warn(begun.job_id, fence=begun.fence, code="truncated", detail="half of it")
    await runtime.jobs.attempts.complete(begun.job_id, fence=begun.fence)


@pytest.mark.parametrize("fate", ["failed", "cancelled"])
async def test_watching_a_job_that_did_not_complete_ends_with_its_reason_and_code_1(
    runtime: Runtime, begun: Attempt, environment: dict[str, str], fate: str
) -> None:
    if fate == "failed":
        failure = Failure(code="corrupt_media", detail="[red]noise")
        await runtime.jobs.attempts.fail(begun.job_id, fence=begun.fence, failure=failure)
    else:
        await runtime.jobs.control.cancel(begun.job_id, owner="alice")

    watched = run("job", "watch", str(begun.job_id), **environment)

    assert watched.returncode == 1
    assert watched.stdout.splitlines()[-1].endswith("failed: corrupt_media: [red]noise" if fate == "failed" else fate)


async def test_watching_a_job_that_nobody_knows_is_refused(runtime: Runtime, environment: dict[str, str]) -> None:
    refused = run("job", "watch", str(uuid4()), **environment)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no such job" in refused.stderr


def watched_in_a_terminal(job_id: UUID, environment: dict[str, str]) -> tuple[Process, int]:
    """Return a watch and our end of its terminal."""
    ours, theirs = pty.openpty()
    about = clean(environment | {"TERM": "xterm-256color", "COLUMNS": "100"})
    process = start("job", "watch", str(job_id), environment=about, stdout=theirs, stderr=theirs)
    os.close(theirs)
    return process, ours


async def test_a_terminal_shows_a_bar_that_ends_full(
    runtime: Runtime, begun: Attempt, environment: dict[str, str]
) -> None:
    await runtime.jobs.attempts.tell_progress(
        begun.job_id, fence=begun.fence, share=0.5, stage="frames", done=5, total=10
    )
    await runtime.jobs.attempts.complete(begun.job_id, fence=begun.fence)
    process, terminal = watched_in_a_terminal(begun.job_id, environment)
    shown = await asyncio.to_thread(all_of, terminal)
    exit_code = await exit_code_of(process)

    assert exit_code == 0
    assert "━" in shown
    assert "5/10" in shown
    assert "100%" in shown
    assert "completed: 0 files" in shown


def all_of(terminal: int) -> str:
    """Read a terminal until its last writer has left."""
    shown = b""
    try:
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    except OSError:  # how Linux says that nobody writes any more
        pass
    finally:
        os.close(terminal)
    return shown.decode()
