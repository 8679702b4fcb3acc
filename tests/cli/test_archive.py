"""`archive run`, `list` and `restore`: what they print, their exit codes, and what they leave."""

import json
import os
import pty
import re
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

import pytest

from media_analysis.errors import FileArchived
from media_analysis.runtime import Runtime
from media_analysis.units import round_size
from tests.archive.archived import CONTENTS, archive, content_of, make_run
from tests.cli.commands import clean, run
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.processes import start

SOON = {"ARCHIVE_AFTER_DAYS": "7"}
EIGHT_DAYS_OLD = "UPDATE analysis_jobs SET completed_at = completed_at - interval '8 days' WHERE id = $1"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | SOON


async def archived_ids(database: str) -> set[UUID]:
    return {row["id"] for row in await fetch(database, "SELECT id FROM analysis_jobs WHERE archived_at IS NOT NULL")}


async def age(database: str, job_id: UUID) -> None:
    await execute(database, EIGHT_DAYS_OLD.replace("$1", f"'{job_id}'"))


def run_in_a_terminal(*arguments: str, printed: IO[str], **environment: str) -> tuple[int, str]:
    """Run a command whose standard error is a terminal, and return its exit code and what was seen there."""
    ours, theirs = pty.openpty()
    about = clean(environment | {"TERM": "xterm-256color", "COLUMNS": "100"})
    returned = start(*arguments, environment=about, stdout=printed, stderr=theirs).wait(60)
    os.close(theirs)
    seen = os.read(ours, 65_536).decode(errors="replace")  # what did not fit may break off within a character
    os.close(ours)
    return returned, seen


async def test_without_names_all_that_is_due_is_archived_and_nothing_younger(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    old, young = await make_run(runtime), await make_run(runtime)
    await age(database, old.id)

    done = run("archive", "run", **environment)
    again = run("archive", "run", "--all-due", **environment)

    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    before = sum(map(len, old.contents.values()))
    (stored,) = await fetch(database, "SELECT size_bytes FROM media_files WHERE role = 'archive'")
    assert re.search(
        rf"{old.id}  {old.job.folder_name} +5 +{round_size(before)} +{round_size(stored[0])} +0\.\d\d", done.stdout
    )
    assert f"archived 1 runs, {round_size(before)} as {round_size(stored[0])}; 0 failed\n" in done.stdout
    assert again.stdout == "archived 0 runs, 0 B as 0 B; 0 failed\n"
    assert await archived_ids(database) == {old.id}
    (task,) = await fetch(database, "SELECT trigger, requested_by FROM archive_tasks")
    assert tuple(task) == ("cli", "command line")
    await runtime.files.catalog.get(next(iter(young.files.values())).id, owner="alice")


async def test_named_runs_are_archived_however_young_and_bad_ones_do_not_stop_them(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    young, other, unknown = await make_run(runtime), await make_run(runtime), uuid4()

    done = run("archive", "run", str(unknown), str(young.id), **environment)
    again = run("archive", "run", "--json", str(young.id), **environment)

    assert (done.returncode, again.returncode) == (1, 1)
    assert done.stderr == f"media-analysis: {unknown}: no such job\n"
    assert "archived 1 runs" in done.stdout
    assert done.stdout.endswith("; 1 failed\n")
    assert await archived_ids(database) == {young.id}
    told = json.loads(again.stdout)
    assert told["runs"] == []
    assert told["refused"] == [
        {"job_id": str(young.id), "reason": "the job is archived and read-only; restore it first"}
    ]
    await runtime.files.catalog.get(next(iter(other.files.values())).id, owner="alice")


async def test_a_failure_is_told_with_its_reason(runtime: Runtime, environment: dict[str, str], database: str) -> None:
    broken, sound = await make_run(runtime), await make_run(runtime)
    path = disk_of(runtime.store).path_of(broken.files["run.log"].key)
    content = path.read_bytes()
    path.write_bytes(content[:-1])

    done = run("archive", "run", str(broken.id), str(sound.id), **environment)
    as_json = run("archive", "run", "--json", str(broken.id), **environment)
    path.write_bytes(content)

    assert (done.returncode, as_json.returncode) == (1, 1)
    assert f"{broken.job.folder_name}: " in done.stderr
    assert f"size is {len(content) - 1}, not {len(content)}" in done.stderr
    assert await archived_ids(database) == {sound.id}
    (told,) = json.loads(as_json.stdout)["runs"]
    assert (told["job_id"], told["status"], told["error"]["code"]) == (str(broken.id), "failed", "object_damaged")
    assert await content_of(runtime, broken.files["run.log"].id) == content


async def test_a_rehearsal_says_what_is_due_and_changes_nothing(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    old, young = await make_run(runtime), await make_run(runtime, {"frame.jpg": b"12345"})
    await age(database, old.id)

    due = run("archive", "run", "--dry-run", ARCHIVE_BUDGET_BYTES="1KiB", **environment)
    named = run("archive", "run", "--dry-run", "--json", str(young.id), "--all-due", **environment)
    refused = run("archive", "run", "--dry-run", str(uuid4()), **environment)

    size_bytes = sum(map(len, old.contents.values()))
    assert (due.returncode, named.returncode, refused.returncode) == (0, 0, 1), due.stderr
    assert old.job.folder_name in due.stdout
    assert young.job.folder_name not in due.stdout
    assert f"would archive 1 runs, {round_size(size_bytes)}\n" in due.stdout
    assert "the first 1.0 KiB of what is due" in due.stderr
    told = json.loads(named.stdout)
    assert [each["job_id"] for each in told["runs"]] == [str(young.id), str(old.id)]
    assert (told["dry_run"], told["size_bytes"]) == (True, size_bytes + 5)
    assert "no such job" in refused.stderr
    assert await fetch(database, "SELECT FROM archive_tasks") == []
    assert await archived_ids(database) == set()


async def test_archived_runs_are_listed_by_owner_and_day(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    runs = [await make_run(runtime, {"frame.jpg": b"12345"}, owner=owner) for owner in ("alice", "bob")]
    for number, each in enumerate(runs):
        await archive(runtime, each.id)
        at = f"2026-01-1{number} 12:00+00"
        await execute(database, f"UPDATE analysis_jobs SET archived_at = '{at}' WHERE id = '{each.id}'")

    def listed(*arguments: str) -> list[str]:
        found = run("archive", "list", "--json", *arguments, **environment)
        return [each["owner"] for each in json.loads(found.stdout)]

    shown = run("archive", "list", "--limit", "1", **environment)

    assert re.search(
        rf"{runs[1].id}  {runs[1].job.folder_name}  bob +2026-01-11T12:00:00Z  20.+Z +1 +5 B", shown.stdout
    )
    assert runs[0].job.folder_name not in shown.stdout
    assert "there are more" in shown.stderr
    assert listed() == ["bob", "alice"]
    assert listed("--owner", "alice") == ["alice"]
    assert listed("--from", "2026-01-11") == ["bob"]
    assert listed("--to", "2026-01-10") == ["alice"]
    assert listed("--to", "2026-01-10T11:00") == []


def test_a_day_that_is_none_is_refused_in_one_sentence(environment: dict[str, str]) -> None:
    refused = run("archive", "list", "--from", "soon", **environment)

    assert refused.returncode == 1
    assert refused.stderr.startswith("media-analysis: --from: 'soon' is not a day such as")


async def test_a_run_comes_back_whole_and_it_is_said_until_when(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    made = await make_run(runtime)
    await archive(runtime, made.id)

    done = run("archive", "restore", str(made.id), **environment)
    again = run("archive", "restore", str(made.id), **environment)

    size_bytes = sum(map(len, made.contents.values()))
    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    assert done.stdout.startswith(f"restored 5 files, {round_size(size_bytes)}; they live until 20")
    assert again.stdout == "restored 0 files, skipped 0\n"
    for name, file in made.files.items():
        assert await content_of(runtime, file.id) == made.contents[name]
    assert await archived_ids(database) == set()


async def test_one_file_comes_back_and_its_run_stays_archived(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    made = await make_run(runtime)
    await archive(runtime, made.id)
    wanted = made.files["frame-1.jpg"]

    done = run("archive", "restore", str(made.id), "--file", str(wanted.id), "--json", **environment)
    unknown = run("archive", "restore", str(made.id), "--file", str(uuid4()), **environment)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["files"], told["size_bytes"]) == (1, len(made.contents["frame-1.jpg"]))
    assert told["first_ends_at"] == told["last_ends_at"]
    assert await content_of(runtime, wanted.id) == made.contents["frame-1.jpg"]
    assert await archived_ids(database) == {made.id}
    with pytest.raises(FileArchived):
        await runtime.files.catalog.get(made.files["frame-2.jpg"].id, owner="alice")
    assert (unknown.returncode, unknown.stderr) == (1, "media-analysis: no such file in the archive of this job\n")


async def test_a_damaged_archive_is_not_restored_and_the_reason_is_told(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    made = await make_run(runtime, {"frame.jpg": CONTENTS["frame-1.jpg"]})
    await archive(runtime, made.id)
    (segment,) = await fetch(database, "SELECT key FROM media_files WHERE role = 'archive'")
    path = disk_of(runtime.store).path_of(segment["key"])
    content = path.read_bytes()
    path.write_bytes(content.replace(bytes(range(256)), bytes(256), 1))

    done = run("archive", "restore", str(made.id), **environment)
    path.write_bytes(content)

    assert done.returncode == 1
    assert done.stderr.startswith(f"media-analysis: {made.id} was not restored: ")
    assert await archived_ids(database) == {made.id}
    assert await fetch(database, "SELECT FROM media_files WHERE category = 'frames' AND state = 'stored'") == []


async def test_a_terminal_sees_a_bar(runtime: Runtime, environment: dict[str, str], tmp_path: Path) -> None:
    made = await make_run(runtime)
    with (tmp_path / "printed").open("w+") as printed:
        exit_code, seen = run_in_a_terminal("archive", "run", str(made.id), printed=printed, **environment)
        printed.seek(0)
        said = printed.read()

    assert exit_code == 0
    assert "archiving" in seen
    assert "archived 1 runs" in said


async def test_what_a_service_beside_works_on_is_waited_for(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    made = await make_run(runtime)
    await age(database, made.id)
    await runtime.archives.requests.request_archive(made.id, owner=None, actor="test")
    claimed = "UPDATE archive_tasks SET status = 'running', attempts = 1, leased_until = now() + interval '5 s'"
    await execute(database, claimed)

    done = run("archive", "run", **environment)

    assert done.returncode == 0, done.stderr
    assert "archived 1 runs" in done.stdout
    (task,) = await fetch(database, "SELECT status::text, attempts FROM archive_tasks")
    assert tuple(task) == ("completed", 2)
