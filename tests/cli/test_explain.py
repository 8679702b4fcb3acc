"""`explain`: why a file or a job stays or went, for people and for programs."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.cli.explain import describe_why
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.cli.commands import run
from tests.conftest import StoreFile
from tests.retention.jobs import add_job, assign

TERMINAL = {"FORCE_COLOR": "1", "COLUMNS": "120", "TERM": "xterm-256color"}


def plain(printed: str) -> str:
    """Return what is left without colors."""
    return re.sub(r"\x1b\[[0-9;]*m", "", printed)


async def test_a_file_is_explained_in_sentences_and_tables(
    runtime: Runtime, store_file: StoreFile, environment: dict[str, str]
) -> None:
    file = await store_file(ttl=3600)
    await runtime.retention.holds.hold_file(file.id, HoldRequest(actor="alice", reason="evidence"), owner="alice")

    told = run("explain", str(file.id), **environment)

    lines = told.stdout.splitlines()
    assert told.returncode == 0, told.stderr
    assert lines[0] == f"file {file.id} (uploads) is stored by hold: stays; nothing in sight ends that"
    assert "blocked until somebody acts: hold by alice (evidence)" in lines
    assert "a hold outranks an explicit expiry" in told.stdout
    assert [word for line in lines for word in re.findall(r"Z  (created|stored|held) ", line)] == [
        "created",
        "stored",
        "held",
    ]


async def test_a_person_gets_a_timeline(store_file: StoreFile, environment: dict[str, str]) -> None:
    file = await store_file(ttl=3600)

    told = run("explain", str(file.id), **environment | TERMINAL)

    lines = plain(told.stdout).splitlines()
    assert told.returncode == 0, told.stderr
    assert "\x1b[" in told.stdout
    assert "is deleted at" in lines[0]
    assert [line.split()[2] for line in lines if line.startswith(("┌", "├", "└"))] == ["created", "stored"]


async def test_a_restored_file_names_each_rule_once(runtime: Runtime, store_file: StoreFile) -> None:
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice", soft=True)
    await runtime.retention.trash.restore(file.id, owner="alice", actor="alice")

    told = await runtime.retention.explanations.explain(file.id, owner=None)

    deleted, restored = (describe_why(moment) for moment in told.timeline[-2:])
    assert [deleted.count("requested"), restored.count("requested")] == [1, 1], (deleted, restored)


async def test_a_deleted_file_is_explained(
    runtime: Runtime, store_file: StoreFile, environment: dict[str, str]
) -> None:
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice", reason="done with it")

    told = run("explain", str(file.id), **environment)

    assert "is purged by requested: is gone, bytes and all" in told.stdout
    assert "done with it" in told.stdout


async def test_a_job_is_explained_with_its_files(
    runtime: Runtime, store_file: StoreFile, database: str, environment: dict[str, str]
) -> None:
    file, job_id = await store_file(ttl=3600), await add_job(database)
    await assign(database, job_id, file.id)
    await runtime.retention.holds.hold_job(job_id, HoldRequest(actor="admin", reason="audit"), owner=None)

    told = run("explain", str(job_id), "--job", **environment)

    assert told.returncode == 0, told.stderr
    assert f"job {job_id} is completed: 1 files, 10 B" in told.stdout
    assert f"first to go: file {file.id}, stored by hold" in told.stdout
    assert "blocked until somebody acts: hold of its job by admin (audit)" in told.stdout


async def test_the_json_is_what_the_api_answers(
    store_file: StoreFile, database: str, environment: dict[str, str]
) -> None:
    file, job_id = await store_file(), await add_job(database)
    await assign(database, job_id, file.id)

    of_file: dict[str, Any] = json.loads(run("explain", str(file.id), "--json", **environment).stdout)
    of_job: dict[str, Any] = json.loads(run("explain", str(job_id), "--job", "--json", **environment).stdout)

    assert (of_file["file_id"], of_file["rule"], of_file["state"]) == (str(file.id), "category_lifetime", "stored")
    assert [item["file_id"] for item in of_job["items"]] == [str(file.id)]
    assert of_job["at"] == of_file["at"]


@pytest.mark.usefixtures("runtime")
@pytest.mark.parametrize("options", [(), ("--job",)])
def test_what_nobody_knows_is_refused_in_one_sentence(options: tuple[str, ...], environment: dict[str, str]) -> None:
    told = run("explain", str(uuid4()), *options, **environment)

    assert told.returncode == 1
    assert re.fullmatch(r"media-analysis: no such (file|job)\n", told.stderr)


def test_what_is_no_id_is_refused(environment: dict[str, str]) -> None:
    told = run("explain", "nonsense", **environment)

    assert told.returncode == 1
    assert re.fullmatch(r"media-analysis: ID: 'nonsense' is not an id, .*\n", told.stderr)
