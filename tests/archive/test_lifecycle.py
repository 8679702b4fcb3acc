"""A run's life: active, archived, deleted; and what stands against each step."""

import pytest

from media_analysis.archive.catalog import ArchivedFilter
from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.archive.service import Requested
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import (
    ArchiveOfJob,
    DerivedArchived,
    FileGone,
    JobArchived,
    JobGone,
    JobHeld,
    JobNotArchived,
    JobNotEnded,
    NothingToArchive,
    TransactionConflict,
)
from media_analysis.files.expiry import Expiry
from media_analysis.jobs.queries import JobFilter
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.archive.archived import add_file, archive, archived_content, content_of, make_run, restore
from tests.archive.days import DAY, age, end_of, job_row, sweep
from tests.asking import delete_file
from tests.conftest import execute, fetch

HELD = HoldRequest(reason="a case", actor="alice")


async def test_runs_are_asked_for_when_a_week_has_passed_since_their_end(runtime: Runtime, database: str) -> None:
    young, old = await make_run(runtime), await make_run(runtime)
    await age(database, young.id, 6.99)
    await age(database, old.id, 7.01)

    requested = await runtime.archives.requests.request_due()

    assert requested.runs == 1
    assert await runtime.archives.execution.run_waiting() == 1
    assert [(await job_row(database, run.id))["archived_at"] is None for run in (young, old)] == [True, False]


async def test_an_archived_run_is_listed_among_archives_only(runtime: Runtime) -> None:
    kept, archived = await make_run(runtime), await make_run(runtime)

    await archive(runtime, archived.id)

    page = await runtime.jobs.catalog.list(JobFilter(owner="alice"), before=None, limit=10)
    assert [view.job.id for view in page.views] == [kept.id]
    listed = await runtime.archives.catalog.list(ArchivedFilter(owner="alice"), after=None, limit=10)
    assert [run.job.id for run in listed.jobs] == [archived.id]


async def test_a_run_and_its_archive_end_thirty_days_after_its_completion(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)

    await archive(runtime, run.id)

    assert run.job.completed_at is not None
    assert await end_of(database, run.id) == (run.job.completed_at + 30 * DAY,) * 2


async def test_an_archived_run_is_deleted_at_its_end_and_its_summary_stays(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    before = await sweep(runtime, Category.ARCHIVES, later=29 * DAY)
    kept = await job_row(database, run.id)

    report = await sweep(runtime, Category.ARCHIVES, later=30 * DAY)

    assert (before.jobs, kept is None, report.jobs, report.files) == (0, False, 1, 1)
    assert await job_row(database, run.id) is None
    (summary,) = await fetch(database, "SELECT *, stats::text AS told FROM job_audit WHERE job_id = $1", run.id)
    assert (summary["folder_name"], summary["reason"]) == (run.job.folder_name, "expired")
    assert summary["archived_at"] is not None
    assert all(f'"{name}": ' in summary["told"] for name in ("original_bytes", "compression_ratio", "duration_seconds"))
    assert await fetch(database, "SELECT FROM archived_files") == []
    assert await fetch(database, "SELECT FROM media_files WHERE job_id = $1", run.id) == []
    with pytest.raises(JobGone):
        await runtime.jobs.catalog.get(run.id, owner="alice")
    for file in run.files.values():
        with pytest.raises(FileGone):
            await runtime.files.catalog.get(file.id, owner="alice")


@pytest.mark.parametrize("wanted", ["all of it", "one file"])
async def test_a_run_past_its_end_is_not_brought_back_whether_or_not_it_was_swept(
    runtime: Runtime, database: str, wanted: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await age(database, run.id, 31)
    file_id = run.files["run.log"].id if wanted == "one file" else None

    with pytest.raises(JobGone):
        await runtime.returns.restore(run.id, owner="alice", actor="alice", file_id=file_id)

    assert await fetch(database, "SELECT FROM archive_tasks WHERE kind = 'restore'") == []


async def test_a_hold_keeps_a_run_out_of_the_archive_and_an_archived_one_alive(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await runtime.retention.holds.hold_job(run.id, HELD, owner="alice")
    await age(database, run.id, 8)

    assert await runtime.archives.requests.request_due() == Requested(0, 0)
    with pytest.raises(JobHeld):
        await archive(runtime, run.id)
    await runtime.retention.holds.release_job(run.id, owner="alice", actor="alice")
    await archive(runtime, run.id)
    await runtime.retention.holds.hold_job(run.id, HELD, owner="alice")
    report = await sweep(runtime, Category.ARCHIVES, later=100 * DAY)

    assert (report.jobs, report.files) == (0, 0)
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is not None


async def test_a_held_file_keeps_its_run_out_of_the_archive(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    held = run.files["frame-1.jpg"]
    await runtime.retention.holds.hold_file(held.id, HELD, owner="alice")
    await age(database, run.id, 8)

    assert await runtime.archives.requests.request_due() == Requested(0, 0)
    with pytest.raises(JobHeld):
        await archive(runtime, run.id)


async def test_what_is_to_go_sooner_stays_outside_and_goes_on_its_own_day(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    soon = await add_file(runtime, run, "soon.txt", b"soon", expiry=Expiry(lifetime=10 * DAY))
    scratch = await add_file(runtime, run, "scratch.bin", b"scratch", category=Category.TEMP)

    await archive(runtime, run.id)

    assert await content_of(runtime, soon.id) == b"soon"
    assert await content_of(runtime, scratch.id) == b"scratch"
    assert len(await fetch(database, "SELECT FROM archived_files")) == len(run.files) - 2


async def test_a_run_of_which_everything_goes_sooner_is_not_asked_for(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime, {})
    await execute(database, f"DELETE FROM analysis_results WHERE job_id = '{run.id}'")
    await age(database, run.id, 8)
    await add_file(runtime, run, "soon.txt", b"soon", expiry=Expiry(lifetime=DAY))

    assert await runtime.archives.requests.request_due() == Requested(0, 0)


async def test_a_file_kept_for_longer_keeps_the_archive_for_as_long(runtime: Runtime, database: str) -> None:
    longer, forever = await make_run(runtime), await make_run(runtime)
    file = await add_file(runtime, longer, "later.txt", b"later", expiry=Expiry(lifetime=90 * DAY))
    await add_file(runtime, forever, "ever.txt", b"ever", expiry=Expiry())

    await archive(runtime, longer.id)
    await archive(runtime, forever.id)

    assert await end_of(database, longer.id) == (file.expires_at,) * 2
    assert await end_of(database, forever.id) == (None, None)


async def test_extending_an_archived_run_extends_its_archive(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)

    ends_at, _ = await runtime.retention.holds.extend_job(
        run.id, Expiry(lifetime=200 * DAY), owner="alice", actor="alice"
    )

    assert await end_of(database, run.id) == (ends_at,) * 2
    assert (await sweep(runtime, Category.ARCHIVES, later=199 * DAY)).jobs == 0
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is not None
    assert (await sweep(runtime, Category.ARCHIVES, later=201 * DAY)).jobs == 1


async def test_an_archived_run_takes_no_uploads_and_is_not_tried_again(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)

    with pytest.raises(JobArchived):
        await add_file(runtime, run, "late.txt", b"late")
    with pytest.raises(JobArchived):
        await runtime.jobs.control.retry(run.id, owner="alice")
    with pytest.raises(JobArchived):
        await archive(runtime, run.id)


async def test_the_archive_of_a_run_is_neither_deleted_nor_dated_by_itself(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    (segment,) = await fetch(database, "SELECT id FROM media_files WHERE role = 'archive'")

    with pytest.raises(ArchiveOfJob):
        await delete_file(runtime, segment["id"], owner="alice", actor="alice")
    with pytest.raises(ArchiveOfJob):
        await runtime.files.catalog.change(segment["id"], owner="alice", expiry=Expiry(lifetime=DAY))


async def test_a_source_is_not_deleted_while_what_was_derived_lies_in_an_archive(runtime: Runtime) -> None:
    run = await make_run(runtime)
    source = run.files["frame-1.jpg"].parent_id
    assert source is not None
    await archive(runtime, run.id)

    with pytest.raises(DerivedArchived):
        await delete_file(runtime, source, owner="alice", actor="alice")
    await delete_file(runtime, source, owner="alice", actor="alice", derived=False)

    for name, file in run.files.items():
        assert await archived_content(runtime, run.id, file.id) == run.contents[name]


async def test_deleting_a_restored_file_takes_the_archive_that_has_a_copy(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)
    gone = run.files["run.log"]

    await delete_file(runtime, gone.id, owner="alice", actor="alice")

    assert await fetch(database, "SELECT FROM archived_files") == []
    assert await fetch(database, "SELECT FROM media_files WHERE role = 'archive'") == []
    again = await archive(runtime, run.id)
    assert (again.status, again.stats["files"]) == (ArchiveTaskStatus.COMPLETED, len(run.files) - 1)
    with pytest.raises(FileGone):
        await runtime.files.catalog.get(gone.id, owner="alice")


async def test_a_deletion_whose_archive_cannot_go_yet_has_happened_and_the_sweep_ends_it(
    runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)
    gone = run.files["run.log"]

    def cut_off(point: str) -> None:
        if point == "archive.deleting":
            raise TransactionConflict("deadlock detected")

    with monkeypatch.context() as patched:
        patched.setattr("media_analysis.archive.expiry.failpoint", cut_off)
        patched.setattr("media_analysis.db.database.CONFLICT_PAUSE_SECONDS", 60)
        await delete_file(runtime, gone.id, owner="alice", actor="alice")
    await sweep(runtime, Category.ARCHIVES)

    assert await fetch(database, "SELECT FROM archived_files") == []
    with pytest.raises(FileGone):
        await runtime.files.catalog.get(gone.id, owner="alice")


async def test_copies_of_files_that_expired_after_a_restore_go_with_the_next_sweep(
    runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)
    await runtime.files.catalog.change(run.files["frame-1.jpg"].id, owner="alice", expiry=Expiry(lifetime=DAY))
    await sweep(runtime, Category.FRAMES, later=2 * DAY)

    await sweep(runtime, Category.ARCHIVES)

    assert await fetch(database, "SELECT FROM archived_files") == []
    assert await fetch(database, "SELECT FROM media_files WHERE role = 'archive'") == []
    assert await content_of(runtime, run.files["frame-2.jpg"].id) == run.contents["frame-2.jpg"]


async def test_only_what_has_ended_and_has_something_is_archived(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await execute(database, f"UPDATE analysis_jobs SET status = 'running' WHERE id = '{run.id}'")
    empty = await make_run(runtime, {})
    await execute(database, f"DELETE FROM analysis_results WHERE job_id = '{empty.id}'")

    with pytest.raises(JobNotEnded):
        await archive(runtime, run.id)
    with pytest.raises(NothingToArchive):
        await archive(runtime, empty.id)
    with pytest.raises(JobNotArchived):
        await restore(runtime, empty.id)
    await execute(database, f"UPDATE analysis_jobs SET status = 'completed' WHERE id = '{run.id}'")


async def test_a_run_deleted_on_request_takes_its_archive_along(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)

    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice", reason="enough"), owner="alice")

    assert await fetch(database, "SELECT FROM media_files WHERE job_id = $1", run.id) == []
    (summary,) = await fetch(database, "SELECT reason, deleted_by FROM job_audit WHERE job_id = $1", run.id)
    assert tuple(summary) == ("enough", "alice")
    with pytest.raises(FileGone):
        await runtime.files.catalog.get(run.files["run.log"].id, owner="alice")
