"""`restore`: a file, a job's files, or all that a sweep took."""

import json
from uuid import uuid4

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.cli.commands import run
from tests.conftest import StoreFile, execute, fetch
from tests.retention.jobs import add_job, assign

OVERDUE = "UPDATE media_files SET expires_at = now() - interval '1 h', due_at = now() - interval '1 h'"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": "soft"}


@pytest.fixture
async def stored(store_file: StoreFile) -> list[MediaFile]:
    return [await store_file(b"12345", category=Category.FRAMES, filename=f"{number}.bin") for number in range(3)]


async def states(database: str) -> list[str]:
    return [row[0] for row in await fetch(database, "SELECT state::text FROM media_files ORDER BY id")]


async def test_one_file_comes_back_with_its_new_end(
    runtime: Runtime, stored: list[MediaFile], environment: dict[str, str], database: str
) -> None:
    await execute(database, f"UPDATE media_files SET filename = 'a[/b][red]1.bin' WHERE id = '{stored[1].id}'")
    await delete_file(runtime, stored[1].id, owner="alice", actor="alice")

    done = run("restore", str(stored[1].id), **environment)
    again = run("restore", str(stored[1].id), **environment)

    assert (done.returncode, again.returncode) == (0, 1)
    assert done.stdout.startswith("restored a[/b][red]1.bin of alice, until 20")
    assert "the file is not in the trash" in again.stderr
    assert await states(database) == ["stored"] * 3


async def test_the_files_of_a_job_come_back(
    runtime: Runtime, stored: list[MediaFile], environment: dict[str, str], database: str
) -> None:
    job_id = await add_job(database)
    await assign(database, job_id, *(file.id for file in stored[:2]))
    for file in stored:
        await delete_file(runtime, file.id, owner="alice", actor="alice")

    done = run("restore", "--job", str(job_id), **environment)

    assert done.stdout == "restored 2 files, skipped 0\n"
    assert await states(database) == ["stored", "stored", "trashed"]


async def test_a_sweep_is_undone(stored: list[MediaFile], environment: dict[str, str], database: str) -> None:
    await execute(database, OVERDUE)
    swept = json.loads(run("sweep", "--json", **environment).stdout)

    done = run("restore", "--sweep", swept["id"], **environment)

    assert swept["total_files_trashed"] == 3
    assert done.stdout == "restored 3 files, skipped 0\n"
    assert await states(database) == ["stored"] * 3
    (undone,) = await fetch(database, "SELECT actor FROM audit_events WHERE action = 'undone'")
    assert undone["actor"] == "command line"


@pytest.mark.parametrize("asked", [[], [str(uuid4()), "--sweep", str(uuid4())]])
def test_exactly_one_thing_is_restored(environment: dict[str, str], asked: list[str]) -> None:
    refused = run("restore", *asked, **environment)

    assert refused.returncode == 1
    assert "one of them" in refused.stderr


def test_what_is_unknown_is_refused(runtime: Runtime, environment: dict[str, str]) -> None:
    refused = [run("restore", *asked, str(uuid4()), **environment) for asked in ([], ["--job"], ["--sweep"])]

    assert [(each.returncode, each.stderr.split(": ")[-1]) for each in refused] == [
        (1, "no such file\n"),
        (1, "no such job\n"),
        (1, "no such sweep\n"),
    ]
