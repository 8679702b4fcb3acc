"""`scripts/cleanup.sh` as cron calls it: JSON on standard output, and an exit code that says how it went."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from media_analysis.files.expiry import Expiry
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run_program
from tests.conftest import chunks, execute
from tests.disks import disk_of
from tests.processes import ROOT

CLEANUP = ROOT / "scripts/cleanup.sh"


async def test_it_rehearses_and_then_deletes(runtime: Runtime, environment: dict[str, str], database: str) -> None:
    upload = Upload(owner="alice", category=Category.CLIPS, filename="a", expiry=Expiry(lifetime=timedelta(seconds=1)))
    stored = await runtime.files.uploads.store_file(upload, chunks(b"a clip"))
    await execute(database, "UPDATE media_files SET expires_at = now() - interval '1 s', due_at = now()")

    rehearsed = run_program(CLEANUP, "--dry-run", "--category", "clips", environment=environment)
    stayed = disk_of(runtime.store).path_of(stored.key).exists()
    deleted = run_program(CLEANUP, "--category", "clips", environment=environment)
    told = [json.loads(ended.stdout) for ended in (rehearsed, deleted)]

    assert [ended.returncode for ended in (rehearsed, deleted)] == [0, 0], rehearsed.stderr + deleted.stderr
    assert [(one["dry_run"], one["total_files_removed"]) for one in told] == [(True, 1), (False, 1)]
    assert stayed
    assert not disk_of(runtime.store).path_of(stored.key).exists()


def test_what_is_refused_is_told_on_standard_error(tmp_path: Path) -> None:
    refused = run_program(CLEANUP, "--data-dir", tmp_path / str(uuid4()))

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is not a data directory of media-analysis" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_is_installed_it_says_what_installs(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(CLEANUP, tmp_path / "scripts")

    refused = run_program(tmp_path / "scripts/cleanup.sh")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "scripts/serve does that" in refused.stderr
