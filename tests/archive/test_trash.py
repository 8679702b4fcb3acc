"""Archived runs that are deleted where deletions go through the trash."""

import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import FileArchived, FileGone, JobGone, QuotaReached
from media_analysis.integrity.inspection import Problem
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.retention.explain.summary import JobSummary
from media_analysis.retention.restoring import Restoration
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.archive.archived import Run, add_file, archive, archived_content, content_of, make_run, restore
from tests.archive.days import DAY, age, job_row, sweep
from tests.asking import delete_file
from tests.conftest import Client, StoreFile, execute


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "DELETION_STRATEGY": "soft"}


async def test_an_ended_run_can_come_back_from_the_trash_and_the_archive(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await age(database, run.id, 31)
    report = await sweep(runtime, Category.ARCHIVES)
    row = await job_row(database, run.id)
    assert (report.jobs, report.files_trashed) == (1, 1)
    assert (row["deletion_reason"], row["deleted_at"] is None) == ("expired", False)
    with pytest.raises(FileGone):
        await runtime.files.catalog.get(run.files["run.log"].id, owner="alice")

    outcome = await runtime.returns.restore(run.id, owner="alice", actor="alice")
    await runtime.archives.execution.run_waiting()

    assert not isinstance(outcome, Restoration)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_deleted_archived_run_comes_back_as_an_archived_one(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")

    await runtime.retention.trash.restore_job(run.id, owner="alice", actor="alice")

    with pytest.raises(FileArchived):
        await runtime.files.catalog.get(run.files["run.log"].id, owner="alice")
    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]


async def test_a_run_for_which_there_is_no_room_stays_in_the_trash(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")
    await execute(database, "UPDATE category_policies SET quota_bytes = 50000 WHERE category = 'frames'")

    with pytest.raises(QuotaReached):
        await runtime.returns.restore(run.id, owner="alice", actor="alice")

    assert (await job_row(database, run.id))["deleted_at"] is not None


async def _trashed(runtime: Runtime) -> Run:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")
    return run


async def test_a_run_whose_time_in_the_trash_is_over_is_gone_whether_or_not_it_was_swept(
    runtime: Runtime, database: str
) -> None:
    run = await _trashed(runtime)
    over = f"UPDATE analysis_jobs SET restorable_until = now() WHERE id = '{run.id}'"
    await execute(
        database, over, f"UPDATE media_files SET trash_ends_at = now(), due_at = now() WHERE job_id = '{run.id}'"
    )

    with pytest.raises(JobGone):
        await runtime.returns.restore(run.id, owner="alice", actor="alice")
    with pytest.raises(JobGone):
        await runtime.retention.trash.restore_job(run.id, owner="alice", actor="alice")
    await sweep(runtime, Category.ARCHIVES)

    row = await job_row(database, run.id)
    assert (row["restorable_until"], row["deleted_at"] is None) == (None, False)
    with pytest.raises(JobGone):
        await runtime.returns.restore(run.id, owner="alice", actor="alice")


async def test_a_sweep_of_other_categories_leaves_run_and_archive_together(runtime: Runtime) -> None:
    run = await _trashed(runtime)

    await sweep(runtime, Category.OUTPUTS, Category.FRAMES, later=2 * DAY)

    await runtime.retention.trash.restore_job(run.id, owner="alice", actor="alice")
    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]


async def _trashed_with_one_file_outside(runtime: Runtime) -> Run:
    """A deleted, archived run of which a file was brought back alone before."""
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id, run.files["frame-1.jpg"].id)
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")
    return run


async def test_a_run_comes_back_with_its_archive_whichever_of_its_files_is_asked_for(runtime: Runtime) -> None:
    run = await _trashed_with_one_file_outside(runtime)

    await runtime.retention.trash.restore(run.files["frame-1.jpg"].id, owner="alice", actor="alice")

    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]
    assert (await restore(runtime, run.id)).status == "completed"


async def test_undoing_the_sweep_that_took_one_file_brings_its_run_back_with_the_archive(
    runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    alone = run.files["frame-1.jpg"].id
    await restore(runtime, run.id, alone)
    await execute(database, f"UPDATE media_files SET expires_at = now(), due_at = now() WHERE id = '{alone}'")
    report = await sweep(runtime, Category.FRAMES)
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")

    undone = await runtime.retention.trash.undo(report.id, actor="admin")

    assert undone.restored == 2
    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]


async def test_an_end_of_another_file_in_archives_leaves_the_run_in_the_trash(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    other = await add_file(runtime, run, "old.zip", b"PK an old zip", category=Category.ARCHIVES)
    await archive(runtime, run.id)
    await delete_file(runtime, other.id, owner="alice", actor="alice", soft=True)
    await execute(database, f"UPDATE media_files SET trash_ends_at = now(), due_at = now() WHERE id = '{other.id}'")
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice"), owner="alice")

    report = await sweep(runtime, Category.ARCHIVES)

    assert report.files == 1
    await runtime.retention.trash.restore_job(run.id, owner="alice", actor="alice")
    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]


async def test_a_run_whose_archive_room_was_made_of_is_gone_but_for_the_file_that_lies_outside(
    runtime: Runtime, database: str, store_file: StoreFile
) -> None:
    run = await _trashed_with_one_file_outside(runtime)
    await execute(database, "UPDATE category_policies SET quota_bytes = 70000 WHERE category = 'archives'")

    await store_file(bytes(69_000), category=Category.ARCHIVES)

    with pytest.raises(JobGone):
        await runtime.retention.trash.restore_job(run.id, owner="alice", actor="alice")
    alone = await runtime.retention.trash.restore(run.files["frame-1.jpg"].id, owner="alice", actor="alice")
    assert await content_of(runtime, alone.id) == run.contents["frame-1.jpg"]
    assert (await job_row(database, run.id))["archived_at"] is None


async def test_the_archive_of_a_living_run_never_makes_room_for_others(
    runtime: Runtime, database: str, store_file: StoreFile
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await execute(
        database, "UPDATE category_policies SET quota_bytes = 70000, eviction_priority = 1 WHERE category = 'archives'"
    )

    with pytest.raises(QuotaReached):
        await store_file(bytes(69_999), category=Category.ARCHIVES)

    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]


async def test_verify_names_a_run_whose_archive_is_gone(runtime: Runtime, database: str) -> None:
    run = await _trashed(runtime)
    await execute(database, f"UPDATE archived_files SET archive_id = gen_random_uuid() WHERE job_id = '{run.id}'")

    report = await VerifyService(runtime.db, runtime.store).run(VerifyRequest(actor="test"))
    with pytest.raises(JobGone):
        await runtime.retention.trash.restore_job(run.id, owner="alice", actor="alice")
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice", hard=True), owner="alice")

    assert report.problems == {Problem.RUN_LOST: 1}
    assert report.findings[0].key == run.job.folder_name


async def test_what_a_deleted_run_was_stays_readable(client: Client, runtime: Runtime) -> None:
    run = await _trashed(runtime)
    in_trash = await runtime.retention.explanations.explain_job(run.id, owner="alice", before=None, limit=1)
    await runtime.jobs.deletions.delete(run.id, DeletionRequest(actor="alice", hard=True), owner="alice")

    told = await client.request("GET", f"/api/v1/jobs/{run.id}/retention", by="alice")
    foreign = await client.request("GET", f"/api/v1/jobs/{run.id}/retention", by="bob")
    audit = await client.request("GET", "/api/v1/audit", by="admin", params={"job_id": str(run.id)})

    assert isinstance(in_trash, JobSummary)
    assert in_trash.restorable_until is not None
    summary = told.json()
    assert (told.status_code, summary["state"], summary["restorable_until"]) == (200, "deleted", None)
    assert (summary["files"], summary["deleted_by"]) == (1, "alice")
    assert summary["archived_at"] is not None
    assert foreign.status_code == 404
    assert [event["action"] for event in audit.json()["items"]] == ["deleted", "trashed", "archived"]
