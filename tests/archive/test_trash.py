"""Archived runs that are deleted where deletions go through the trash."""

import pytest

from media_analysis.errors import FileArchived, FileGone, QuotaReached
from media_analysis.retention.removal.requests import RemovalRequest
from media_analysis.retention.restoring import Restoration
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.archive.archived import archive, archived_content, content_of, make_run
from tests.archive.days import age, job_row, sweep
from tests.conftest import execute


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
        await runtime.files.get(run.files["run.log"].id, owner="alice")

    outcome = await runtime.archives.returns.restore(run.id, owner="alice", actor="alice")
    await runtime.archives.execution.run_waiting()

    assert not isinstance(outcome, Restoration)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_deleted_archived_run_comes_back_as_an_archived_one(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await runtime.removals.delete(run.id, RemovalRequest(requested_by="alice"), owner="alice")

    await runtime.restoring.restore_job(run.id, owner="alice", actor="alice")

    with pytest.raises(FileArchived):
        await runtime.files.get(run.files["run.log"].id, owner="alice")
    assert await archived_content(runtime, run.id, run.files["run.log"].id) == run.contents["run.log"]


async def test_a_run_for_which_there_is_no_room_stays_in_the_trash(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await runtime.removals.delete(run.id, RemovalRequest(requested_by="alice"), owner="alice")
    await execute(database, "UPDATE category_policies SET quota_bytes = 50000 WHERE category = 'frames'")

    with pytest.raises(QuotaReached):
        await runtime.archives.returns.restore(run.id, owner="alice", actor="alice")

    assert (await job_row(database, run.id))["deleted_at"] is not None
