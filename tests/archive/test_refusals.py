"""Whatever goes wrong on the way, the originals are complete or the archive is, and the reason is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import (
    ArchiveDamaged,
    ArchivedFileNotFound,
    ArchiveTaskUnderWay,
    NothingToRestore,
    QuotaReached,
)
from media_analysis.runtime import Runtime
from tests.archive.archived import (
    Run,
    add_file,
    archive,
    archived_content,
    content_of,
    ended,
    make_run,
    restore,
)
from tests.archive.interrupting import archive_while
from tests.conftest import execute, fetch
from tests.disks import disk_of


async def require_untouched(runtime: Runtime, run: Run, database: str) -> None:
    """Fail unless the run is active, its files are readable and nothing is left of an archive."""
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is None
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]
    assert await fetch(database, "SELECT FROM media_files WHERE category = 'archives'") == []
    assert await fetch(database, "SELECT FROM archived_files") == []


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


async def segment_path(runtime: Runtime, database: str) -> Path:
    (segment,) = await fetch(database, "SELECT key FROM media_files WHERE role = 'archive'")
    return disk_of(runtime.store).path_of(segment["key"])


async def test_a_rotten_original_is_never_replaced_by_its_archive(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    flip(path, 7)

    task = await archive(runtime, run.id)

    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "archive_damaged")
    assert "run.log" in (task.error or "")
    flip(path, 7)
    await require_untouched(runtime, run, database)


async def test_a_missing_original_fails_the_archive_and_names_the_file(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    missing = run.files["frame-2.jpg"]
    path = disk_of(runtime.store).path_of(missing.key)
    path.rename(path.with_name("aside"))

    task = await archive(runtime, run.id)

    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "object_missing")
    path.with_name("aside").rename(path)
    await require_untouched(runtime, run, database)


async def test_an_upload_that_comes_while_a_run_is_packed_goes_along(runtime: Runtime) -> None:
    run = await make_run(runtime)

    task = await archive_while(runtime, run, lambda: add_file(runtime, run, "late.txt", b"just in time"))

    assert (task.status, task.error) == (ArchiveTaskStatus.COMPLETED, None)
    assert task.stats["files"] == len(run.files)
    assert await archived_content(runtime, run.id, run.files["late.txt"].id) == b"just in time"


async def test_a_run_deleted_while_it_is_packed_stays_deleted(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    asked = DeletionRequest(actor="alice")

    task = await archive_while(runtime, run, lambda: runtime.jobs.deletions.delete(run.id, asked, owner="alice"))

    assert task.status is ArchiveTaskStatus.FAILED
    assert await fetch(database, "SELECT FROM media_files WHERE job_id = $1", run.id) == []


async def test_an_archive_that_passes_its_quota_is_not_written(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await execute(database, "UPDATE category_policies SET quota_bytes = 1000 WHERE category = 'archives'")

    task = await archive(runtime, run.id)

    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "quota_passed")
    await require_untouched(runtime, run, database)


async def test_an_archive_leaves_the_disks_reserve_alone(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    task = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    execution = runtime.archives.execution
    archiver = replace(execution.archiver, protocol=replace(runtime.uploads, reserve_bytes=2**60))

    await replace(execution, archiver=archiver).run_waiting()

    assert (await ended(runtime, task)).error_code == "disk_reserve_reached"
    await require_untouched(runtime, run, database)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 0.999])
async def test_nothing_is_taken_from_a_damaged_archive(runtime: Runtime, database: str, share: float) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    path = await segment_path(runtime, database)
    at = int(path.stat().st_size * share)
    flip(path, at)

    task = await restore(runtime, run.id)

    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "archive_damaged")
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is not None
    assert len(await fetch(database, "SELECT FROM media_files")) == 2  # the source, and the archive
    flip(path, at)
    assert (await restore(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_damaged_member_is_not_served_as_if_it_were_whole(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    path = await segment_path(runtime, database)
    frame = run.files["frame-1.jpg"]
    at = path.read_bytes().index(run.contents["frame-1.jpg"][:64]) + 1000
    flip(path, at)

    with pytest.raises(ArchiveDamaged):
        await archived_content(runtime, run.id, frame.id)
    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]
    flip(path, at)


async def test_a_restore_that_passes_a_quota_is_refused_before_its_first_byte(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await execute(database, "UPDATE category_policies SET quota_bytes = 50000 WHERE category = 'frames'")

    with pytest.raises(QuotaReached) as refused:
        await restore(runtime, run.id)

    assert refused.value.facts()["missing_bytes"] > 0  # type: ignore[operator]
    assert await fetch(database, "SELECT FROM media_files WHERE state = 'pending'") == []
    assert await fetch(database, "SELECT FROM archive_tasks WHERE kind = 'restore'") == []


async def test_one_file_comes_back_alone_and_the_rest_later(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    one = run.files["run.log"]

    task = await restore(runtime, run.id, one.id)

    assert (task.status, task.stats["files"]) == (ArchiveTaskStatus.COMPLETED, 1)
    assert await content_of(runtime, one.id) == run.contents["run.log"]
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is not None
    with pytest.raises(NothingToRestore):
        await restore(runtime, run.id, one.id)
    with pytest.raises(ArchivedFileNotFound):
        await restore(runtime, run.id, run.job.id)
    all_of_it = await restore(runtime, run.id)
    assert all_of_it.stats["files"] == len(run.files) - 1
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_run_has_one_task_at_a_time(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await runtime.archives.requests.request_archive(run.id, owner="alice", actor="alice")

    with pytest.raises(ArchiveTaskUnderWay):
        await runtime.archives.requests.request_archive(run.id, owner="alice", actor="alice")


async def test_files_that_were_imported_unread_are_hashed_before_they_are_packed(
    runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    await execute(database, f"UPDATE media_files SET sha256 = NULL WHERE job_id = '{run.id}'")

    task = await archive(runtime, run.id)

    assert (task.status, task.error) == (ArchiveTaskStatus.COMPLETED, None)
    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]
