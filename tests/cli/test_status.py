"""One screen of how everything stands, in 80 columns; exit code 1 when something is wrong."""

import json
from importlib.metadata import version
from pathlib import Path

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import SCREEN, run
from tests.cli.test_ids import width
from tests.conftest import StoreFile
from tests.retention.jobs import add_job

AWAY = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
# No service of any other test answers there.
NOWHERE = {"SERVER_PORT": "9"}


async def test_it_tells_of_service_database_store_jobs_and_categories(
    store_file: StoreFile, database: str, environment: dict[str, str]
) -> None:
    await store_file(b"0123456789", category=Category.UPLOADS)
    await add_job(database)

    shown = run("status", **environment | SCREEN | NOWHERE)
    told = json.loads(run("status", "--json", **environment | NOWHERE).stdout)

    assert width(shown.stdout.partition("\n\n")[2]) <= 80
    assert f"version    {version('media-analysis')}\n" in shown.stdout
    assert "service    nothing answers at http://127.0.0.1:9\n" in shown.stdout
    assert told["categories"]["uploads"]["size_bytes"] == 10
    assert told["categories"]["uploads"]["next_sweep_at"].endswith("T02:00:00+00:00")
    assert told["jobs"] == {"pending": 0, "running": 0}


async def test_a_pause_is_a_problem_and_said(runtime: Runtime, environment: dict[str, str]) -> None:
    await runtime.deletion.pauses.pause(category=None, reason="backup", by="alice")

    shown = run("status", **environment | NOWHERE)

    assert shown.returncode == 1
    assert "1 pauses" in shown.stdout
    assert "deletion is paused everywhere" in shown.stderr


def test_archives_and_replicas_that_lie_elsewhere_are_named(tmp_path: Path) -> None:
    archives, replicas = tmp_path / "archives", tmp_path / "replicas"
    elsewhere = {"ARCHIVE_URL": archives.as_uri(), "STORAGE_REPLICA_URL": replicas.as_uri()}

    told = json.loads(run("status", "--json", **AWAY | NOWHERE | elsewhere).stdout)

    assert (told["archives"], told["replicas"]) == (str(archives), str(replicas))


def test_a_database_that_is_away_is_said_beside_what_is_known() -> None:
    shown = run("status", **AWAY | NOWHERE)

    assert shown.returncode == 1
    assert "version" in shown.stdout
    assert shown.stderr.startswith("media-analysis: ")
    assert "Traceback" not in shown.stderr
