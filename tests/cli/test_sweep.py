"""`sweep` and `scripts/cleanup.sh`: rehearsal, deletion, the answer's shape and the exit code."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run, run_program
from tests.conftest import StoreFile, execute, fetch
from tests.processes import ROOT

NO_TRASH = {"files_trashed": 0, "bytes_trashed": 0}
OVERDUE = "UPDATE media_files SET expires_at = now() - interval '1 h', due_at = now() - interval '1 h'"


@pytest.fixture
async def due(runtime: Runtime, store_file: StoreFile, database: str) -> list[MediaFile]:
    """Two temporary files and an upload, all overdue; a clip that is not."""
    stored = [
        await store_file(b"12345", category=Category.TEMP),
        await store_file(b"12345", category=Category.TEMP),
        await store_file(b"123", category=Category.UPLOADS),
    ]
    await execute(database, OVERDUE)
    await store_file(b"young", category=Category.CLIPS)
    return stored


def objects(runtime: Runtime) -> int:
    return sum(path.is_file() for path in runtime.settings.store_path.rglob("*/*"))


async def left(database: str) -> list[str]:
    return [row[0] for row in await fetch(database, "SELECT category::text FROM media_files ORDER BY 1")]


def test_the_json_has_the_shape_operators_know(due: list[MediaFile], environment: dict[str, str]) -> None:
    swept = run("sweep", "--json", **environment)
    told: dict[str, Any] = json.loads(swept.stdout)

    assert swept.returncode == 0
    assert list(told) == [
        "id",
        "status",
        "dry_run",
        "trigger",
        "requested_by",
        "start_time",
        "end_time",
        "policy_version",
        "plan_id",
        "categories",
        "total_files_removed",
        "total_bytes_freed",
        "total_files_trashed",
        "total_bytes_trashed",
        "total_results_removed",
        "total_jobs_removed",
        "paused",
        "details",
        "error",
    ]
    assert (told["status"], told["dry_run"]) == ("completed", False)
    assert set(told["categories"]) == set(Category)
    assert told["categories"]["temp"] == {"files_removed": 2, "bytes_freed": 10, "errors": 0} | NO_TRASH
    assert (told["total_files_removed"], told["total_bytes_freed"]) == (3, 13)


async def test_a_rehearsal_tells_what_would_go_and_removes_nothing(
    due: list[MediaFile], runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    rehearsed = run("sweep", "--dry-run", **environment)

    assert rehearsed.returncode == 0
    assert "would remove 3 files, 13 B (completed)" in rehearsed.stdout
    assert "trash" not in rehearsed.stdout
    assert await left(database) == ["clips", "temp", "temp", "uploads"]
    assert objects(runtime) == 4


async def test_what_goes_to_the_trash_is_told_apart(
    due: list[MediaFile], runtime: Runtime, environment: dict[str, str]
) -> None:
    swept = run("sweep", **environment | {"DELETION_STRATEGY": "soft"})

    assert swept.returncode == 0
    assert "removed 2 files, 10 B; sent 1 files, 3 B, to the trash (completed)" in swept.stdout
    assert objects(runtime) == 2


async def test_one_category_is_swept_and_the_others_stay(
    due: list[MediaFile], runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    swept = run("sweep", "--category", "temp", **environment)

    assert swept.returncode == 0
    assert "removed 2 files" in swept.stdout
    assert await left(database) == ["clips", "uploads"]
    assert objects(runtime) == 2


async def test_every_run_is_remembered_with_who_asked(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    run("sweep", "--dry-run", "--category", "clips", **environment)
    (row,) = await fetch(database, "SELECT kind, trigger::text, requested_by, dry_run, status::text FROM sweeps")

    assert tuple(row) == ("cleanup:clips", "cli", "command line", True, "completed")


def test_files_that_cannot_go_make_exit_code_2(
    due: list[MediaFile], runtime: Runtime, environment: dict[str, str]
) -> None:
    poisoned = runtime.settings.store_path / due[0].key
    poisoned.unlink()
    poisoned.mkdir()

    swept = run("sweep", "--json", **environment)
    poisoned.rmdir()

    assert swept.returncode == 2, swept.stderr
    told = json.loads(swept.stdout)
    assert told["categories"]["temp"] == {"files_removed": 1, "bytes_freed": 5, "errors": 1} | NO_TRASH
    assert told["categories"]["uploads"]["files_removed"] == 1


def test_a_sweep_without_its_store_is_refused(
    due: list[MediaFile], runtime: Runtime, environment: dict[str, str]
) -> None:
    marker = runtime.settings.store_path / ".media-analysis"
    kept = marker.read_text()
    marker.unlink()

    refused = run("sweep", **environment)
    marker.write_text(kept)

    assert refused.returncode == 1
    assert "is the volume mounted?" in refused.stderr
    assert objects(runtime) == 4


def test_an_unknown_category_is_refused_with_the_known_ones(environment: dict[str, str]) -> None:
    refused = run("sweep", "--category", "tmp", **environment)

    assert refused.returncode == 2
    assert "contact_sheets" in refused.stderr


@pytest.mark.skipif(not (ROOT / ".venv/bin/media-analysis").exists(), reason="cron needs the installed command")
def test_the_script_for_cron_sweeps_from_any_directory(
    due: list[MediaFile], environment: dict[str, str], tmp_path: Path
) -> None:
    alone = environment | {"PATH": os.defpath}

    swept = run_program(ROOT / "scripts/cleanup.sh", "--category", "temp", folder=tmp_path, environment=alone)

    assert swept.returncode == 0
    assert json.loads(swept.stdout)["total_files_removed"] == 2
