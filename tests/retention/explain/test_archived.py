"""Explanations of files whose bytes went into the archive of their run, until that is gone, too."""

from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import FileGone
from media_analysis.retention.explain.explanation import Barrier, BarrierScope, Explanation, NextAction, RetentionState
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from tests.archive.archived import Run, archive, archived_content, make_run, restore
from tests.asking import delete_file
from tests.conftest import execute
from tests.retention.conftest import sweep

DAY = timedelta(days=1)
NAME = "frame-1.jpg"


async def explain(runtime: Runtime, run: Run, name: str = NAME) -> Explanation:
    return await runtime.retention.explanations.explain(run.files[name].id, owner="alice")


def events(told: Explanation) -> list[str]:
    return [moment.event for moment in told.timeline]


async def segment_of(runtime: Runtime, job_id: UUID) -> UUID:
    segment, reader = await runtime.archives.catalog.open_segment(job_id, owner=None)
    await reader.close()
    return segment.id


async def test_a_file_of_an_archived_run_is_explained_by_its_archive(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    job, _ = await runtime.jobs.catalog.get(run.id, owner="alice")

    told = await explain(runtime, run)

    assert (told.state, told.rule, told.action) == (RetentionState.ARCHIVED, "archived", NextAction.DELETE)
    assert (told.at, told.attempts, told.dead_letter) == (job.expires_at, 1, False)
    assert told.swept_at is not None
    assert told.at is not None
    assert told.swept_at - told.at < DAY
    place = told.archive
    assert place is not None
    assert (place.job_id, place.archived_at, place.kept_until) == (run.id, job.archived_at, job.expires_at)
    assert (place.available, place.archive_id) == (True, await segment_of(runtime, run.id))
    assert (place.gone_at, place.gone_by) == (None, None)
    assert await archived_content(runtime, place.job_id, place.file_id) == run.contents[NAME]
    assert events(told) == ["created", "archived", "purged"]
    assert [step.step for step in told.next_steps] == ["expires", "delete", "purge"]


async def test_an_archive_stands_and_falls_with_the_hold_of_its_run(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await runtime.retention.holds.hold_job(run.id, HoldRequest(actor="admin", reason="audit"), owner=None)

    told = await explain(runtime, run)

    assert (told.state, told.action, told.at) == (RetentionState.ARCHIVED, NextAction.KEEP, None)
    assert [(one.rule, one.scope, one.reason) for one in told.blockers] == [(Barrier.HOLD, BarrierScope.JOB, "audit")]
    assert events(told) == ["created", "archived", "purged", "held"]


async def test_a_file_that_came_back_remembers_its_time_in_the_archive(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)

    told = await explain(runtime, run)

    assert (told.state, told.archive) == (RetentionState.STORED, None)
    assert [event for event in events(told) if event != "stored"] == ["created", "archived", "unarchived"]


async def test_a_file_that_was_deleted_otherwise_is_in_no_archive(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await delete_file(runtime, run.files[NAME].id, owner="alice", actor="alice")

    told = await explain(runtime, run)

    assert (told.state, told.rule, told.archive) == (RetentionState.PURGED, "requested", None)


async def test_the_end_of_the_archive_is_told_with_who_and_why(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    asked = DeletionRequest(actor="alice", reason="no longer needed")
    await runtime.jobs.deletions.delete(run.id, asked, owner="alice")

    told = await explain(runtime, run)

    place = told.archive
    assert place is not None
    assert (told.state, told.action, told.rule) == (RetentionState.PURGED, NextAction.DONE, "archived")
    assert (place.available, place.archive_id, place.kept_until) == (False, None, None)
    assert (place.gone_by, place.gone_reason) == ("alice", "no longer needed")
    assert place.gone_at is not None
    assert events(told)[-1] == "archive_deleted"
    assert told.timeline[-1].actor == "alice"


async def test_the_end_by_the_schedule_is_told_too(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    past = "now() - interval '1 h'"
    await execute(
        database,
        f"UPDATE analysis_jobs SET expires_at = {past} WHERE id = '{run.id}'",
        f"UPDATE media_files SET expires_at = {past}, due_at = {past} WHERE job_id = '{run.id}'",
    )
    expired = await explain(runtime, run)
    await sweep(runtime)

    told = await explain(runtime, run)

    assert expired.archive is not None
    assert (expired.state, expired.archive.available) == (RetentionState.ARCHIVED, False)
    assert told.archive is not None
    assert (told.state, told.archive.available, told.archive.gone_by) == (RetentionState.PURGED, False, "test")
    with pytest.raises(FileGone):
        await runtime.files.catalog.get(run.files[NAME].id, owner="alice")


class TestTrash:
    """A service that deletes by way of the trash."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft"}

    async def test_a_file_whose_archive_is_trash_can_still_come_back(self, runtime: Runtime) -> None:
        run = await make_run(runtime)
        await archive(runtime, run.id)
        asked = DeletionRequest(actor="alice", reason="by mistake")
        await runtime.jobs.deletions.delete(run.id, asked, owner="alice")

        told = await explain(runtime, run)

        place = told.archive
        assert place is not None
        assert (told.state, told.action) == (RetentionState.TRASHED, NextAction.PURGE)
        assert (place.available, place.kept_until, place.gone_reason) == (False, told.at, "by mistake")
        assert [one.rule for one in told.blockers] == [Barrier.TRASH]
