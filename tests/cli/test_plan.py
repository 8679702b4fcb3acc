"""`plan`: create, list, show and apply."""

import json
import re
from typing import Any

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import SCREEN, run
from tests.conftest import StoreFile, execute, fetch

OVERDUE = "UPDATE media_files SET expires_at = now() - interval '1 h', due_at = now() - interval '1 h'"


@pytest.fixture
async def due(store_file: StoreFile, database: str) -> list[MediaFile]:
    """Two overdue temporary files and an overdue upload."""
    stored = [await store_file(b"12345", category=Category.TEMP) for _ in range(2)]
    stored.append(await store_file(b"123"))
    await execute(database, OVERDUE)
    return stored


def created(environment: dict[str, str], *options: str) -> dict[str, Any]:
    made = run("plan", "create", "--json", *options, **environment)
    assert made.returncode == 0, made.stderr
    plan: dict[str, Any] = json.loads(made.stdout)
    return plan


def test_a_plan_is_made_shown_and_listed(due: list[MediaFile], environment: dict[str, str]) -> None:
    plan = created(environment, "--category", "temp")

    shown = run("plan", "show", plan["id"], "--files", **environment)
    listed = run("plan", "list", **environment)
    answered = json.loads(run("plan", "list", "--json", **environment).stdout)

    assert (plan["files"], plan["bytes"], plan["created_by"]) == (2, 10, "command line")
    assert f"plan {plan['id']}: 2 files, 10 B, to be applied before 20" in shown.stdout
    assert f"hash {plan['hash']}" in shown.stdout
    assert all(str(file.id) in shown.stdout for file in due[:2])
    assert plan["id"] in listed.stdout
    assert answered == [plan]


async def test_an_applied_plan_takes_its_files_and_tells_of_the_others(
    runtime: Runtime, due: list[MediaFile], environment: dict[str, str], database: str
) -> None:
    plan = created(environment)
    await execute(database, f"UPDATE media_files SET version = version + 1 WHERE id = '{due[0].id}'")

    wrong = run("plan", "apply", plan["id"], "--hash", "0" * 64, **environment)
    done = run("plan", "apply", plan["id"], "--hash", plan["hash"], **environment)
    again = run("plan", "apply", plan["id"], "--hash", plan["hash"], **environment)
    shown = run("plan", "show", plan["id"], **environment)
    listed = run("plan", "list", **environment | SCREEN)

    assert (wrong.returncode, done.returncode, again.returncode) == (1, 0, 1)
    assert "this is not the hash of the plan" in wrong.stderr
    assert "removed 2 files, 8 B (completed)" in done.stdout
    assert f"{due[0].id}  changed" in done.stdout
    assert "1 files are no longer what they were and stay" in done.stderr
    assert "the plan was applied already" in again.stderr
    (sweep_id,) = re.findall("applied by sweep (.*)", shown.stdout)
    assert f"…{sweep_id[-12:]}" in listed.stdout
    assert sweep_id not in listed.stdout
    assert [row["id"] for row in await fetch(database, "SELECT id FROM media_files")] == [due[0].id]
