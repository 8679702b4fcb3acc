"""What an archived run's end may not take: what is protected, what lives on, and its archive without it."""

from uuid import uuid4

import pytest

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import JobHeld
from media_analysis.files.expiry import Expiry
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.archive.archived import Run, add_file, archive, archived_content, content_of, make_run, restore
from tests.archive.days import DAY, age, end_of, sweep
from tests.conftest import execute, fetch

HELD = HoldRequest(reason="a case", actor="alice")
FOR_GOOD = DeletionRequest(actor="alice", hard=True)


async def test_a_file_brought_back_twice_keeps_no_run_from_its_end(runtime: Runtime) -> None:
    run, other = await make_run(runtime), await make_run(runtime)
    for each in (run, other):
        await archive(runtime, each.id)
    file = run.files["frame-1.jpg"]
    await restore(runtime, run.id, file.id)
    await runtime.retention.file_deletions.delete(file.id, FOR_GOOD, owner="alice")
    await restore(runtime, run.id, file.id)

    swept = await sweep(runtime, Category.ARCHIVES, later=31 * DAY)

    assert swept.jobs == 2


@pytest.fixture
async def kept(runtime: Runtime, database: str) -> Run:
    """An archived run, one of whose files has to be kept for a hundred days."""
    run = await make_run(runtime)
    until = f"now() + interval '100 days' WHERE id = '{run.files['run.log'].id}'"
    await execute(database, f"UPDATE media_files SET min_retain_until = {until}")
    await archive(runtime, run.id)
    return run


async def test_a_minimum_retention_keeps_an_archived_run_from_its_deletion(runtime: Runtime, kept: Run) -> None:
    with pytest.raises(JobHeld) as refused:
        await runtime.jobs.deletions.delete(kept.id, FOR_GOOD, owner="alice")

    assert (refused.value.rule, refused.value.held_files) == ("minimum_retention", 1)
    assert await archived_content(runtime, kept.id, kept.files["run.log"].id) == kept.contents["run.log"]


async def test_a_minimum_retention_keeps_an_archived_run_from_an_earlier_end(runtime: Runtime, kept: Run) -> None:
    await runtime.retention.holds.extend_job(kept.id, Expiry(lifetime=DAY), owner="alice", actor="alice")

    await sweep(runtime, Category.ARCHIVES, later=2 * DAY)

    assert await archived_content(runtime, kept.id, kept.files["run.log"].id) == kept.contents["run.log"]


async def test_a_run_that_may_not_end_keeps_its_archive(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    file = run.files["run.log"]
    await restore(runtime, run.id, file.id)
    await runtime.retention.holds.hold_file(file.id, HELD, owner="alice")

    await sweep(runtime, Category.ARCHIVES, later=31 * DAY)

    assert (await restore(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED
    for name, each in run.files.items():
        assert await content_of(runtime, each.id) == run.contents[name]


class TestWithTrash:
    """Archives that go into the trash with their runs."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft"}

    async def test_a_run_comes_back_whole_with_any_one_of_its_segments(self, runtime: Runtime, database: str) -> None:
        run = await make_run(runtime)
        await archive(runtime, run.id)
        await restore(runtime, run.id)
        await add_file(runtime, run, "new.txt", b"new")
        await archive(runtime, run.id)
        await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")
        first, _ = await fetch(database, "SELECT id FROM media_files WHERE role = 'archive' ORDER BY ordinal")

        await runtime.retention.trash.restore(first["id"], owner="alice", actor="alice")

        assert (await restore(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED


async def test_a_run_without_one_of_its_segments_is_not_restored_in_part(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    (copy, *_) = await fetch(database, "SELECT file_id, archive_id FROM archived_files ORDER BY file_id")
    changed = f"UPDATE archived_files SET archive_id = '{{}}' WHERE file_id = '{copy['file_id']}'"
    await execute(database, changed.format(uuid4()))

    task = await restore(runtime, run.id)

    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "archive_damaged")
    assert "segments that are gone" in str(task.error)
    await execute(database, changed.format(copy["archive_id"]))


@pytest.mark.parametrize("name", ["run.log", "frame-1.jpg"])
async def test_a_file_that_came_back_alone_says_that_it_goes_with_its_run(
    runtime: Runtime, database: str, name: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await age(database, run.id, 29)
    ends_at, _ = await end_of(database, run.id)

    await restore(runtime, run.id, run.files[name].id)

    assert (await runtime.files.catalog.get(run.files[name].id, owner="alice")).expires_at == ends_at
    await sweep(runtime, *Category, later=2 * DAY)
    assert await fetch(database, "SELECT FROM media_files WHERE job_id = $1", run.id) == []


async def test_a_file_that_came_back_alone_and_is_kept_for_longer_keeps_its_run_for_as_long(
    runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    file = run.files["run.log"]
    await restore(runtime, run.id, file.id)
    dated = await runtime.files.catalog.change(file.id, owner="alice", expiry=Expiry(lifetime=60 * DAY))

    await sweep(runtime, *Category, later=31 * DAY)

    assert await content_of(runtime, file.id) == run.contents["run.log"]
    assert await end_of(database, run.id) == (dated.expires_at, dated.expires_at)
    await sweep(runtime, *Category, later=61 * DAY)
    assert await fetch(database, "SELECT FROM media_files WHERE job_id = $1", run.id) == []
