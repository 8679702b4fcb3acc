"""Explanations of runs between their end and their deletion: what they foretell is what archiving does."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.errors import NothingToArchive
from media_analysis.files.expiry import Expiry
from media_analysis.jobs.models import AnalysisJob
from media_analysis.retention.explain.archival import RunArchival
from media_analysis.retention.explain.explanation import Barrier, BarrierScope
from media_analysis.retention.explain.jobs import JobExplanation
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.archive.archived import CONTENTS, Run, add_file, archive, make_run, restore
from tests.conftest import execute
from tests.disks import disk_of
from tests.retention.jobs import add_job

DAY = timedelta(days=1)
AFTER, KEPT_FOR = 7 * DAY, 30 * DAY


async def explain(runtime: Runtime, run: Run | UUID) -> JobExplanation:
    job_id = run if isinstance(run, UUID) else run.id
    told = await runtime.retention.explanations.explain_job(job_id, owner=None, before=None, limit=100)
    assert isinstance(told, JobExplanation)
    return told


async def archival(runtime: Runtime, run: Run | UUID) -> RunArchival:
    return (await explain(runtime, run)).archival


async def job_of(runtime: Runtime, run: Run) -> AnalysisJob:
    return (await runtime.jobs.catalog.get(run.id, owner=None))[0]


async def let_be_due(database: str, run: Run, days: int = 8) -> None:
    moved = f"completed_at = completed_at - interval '{days} days'"
    await execute(database, f"UPDATE analysis_jobs SET {moved} WHERE id = '{run.id}'")


async def test_an_active_run_says_when_it_is_archived_and_when_it_goes(runtime: Runtime) -> None:
    run = await make_run(runtime)

    told = await archival(runtime, run)

    ended_at = run.job.completed_at
    assert ended_at is not None
    assert (told.archived_at, told.due_at, told.deletes_at) == (None, ended_at + AFTER, ended_at + KEPT_FOR)
    assert told.starts_at is not None
    assert told.starts_at.astimezone(UTC).hour == 2
    assert timedelta(0) <= told.starts_at - ended_at - AFTER < DAY
    assert (told.reason, told.blockers, told.failure) == (None, [], None)
    assert (told.segments.files, told.originals.files) == (0, 0)


async def test_what_was_foretold_of_the_end_is_what_archiving_sets(runtime: Runtime) -> None:
    plain, kept, for_ever = await make_run(runtime), await make_run(runtime), await make_run(runtime)
    end = Expiry(at=datetime.now(UTC) + 90 * DAY)
    await add_file(runtime, kept, "until.txt", b"keep it for a quarter", expiry=end)
    await add_file(runtime, for_ever, "always.txt", b"keep it", expiry=Expiry(at=None))
    runs = (plain, kept, for_ever)
    foretold = [(await archival(runtime, run)).deletes_at for run in runs]

    for run in runs:
        await archive(runtime, run.id)

    assert [(await job_of(runtime, run)).expires_at for run in runs] == foretold
    assert foretold[1] == end.at
    assert foretold[2] is None
    assert [(await archival(runtime, run)).deletes_at for run in runs] == foretold


async def test_the_schedule_takes_a_run_from_the_moment_that_was_foretold(runtime: Runtime) -> None:
    run = await make_run(runtime)
    due_at = (await archival(runtime, run)).due_at
    assert due_at is not None

    early = await runtime.archives.requests.request_due(now=due_at - timedelta(seconds=1))
    timely = await runtime.archives.requests.request_due(now=due_at)

    assert (early.runs, timely.runs) == (0, 1)


async def test_an_archived_run_says_since_when_and_what_its_archive_takes(runtime: Runtime) -> None:
    run = await make_run(runtime)
    task = await archive(runtime, run.id)

    told = await explain(runtime, run)

    found = told.archival
    job = await job_of(runtime, run)
    assert (found.archived_at, found.due_at, found.reason) == (job.archived_at, None, "it is archived")
    assert (found.segments.files, found.segments.size_bytes) == (1, task.stats["packed_bytes"])
    assert (found.originals.files, found.originals.size_bytes) == (len(CONTENTS), task.stats["size_bytes"])
    assert told.first is not None
    assert (told.first.category, told.first.at) == (Category.ARCHIVES, job.expires_at)
    names = [moment.event for moment in told.timeline]
    assert names.count("archived") == 1


async def test_a_restored_run_is_archived_again_a_term_later(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await restore(runtime, run.id)

    told = await explain(runtime, run)

    restored_at = told.archival.restored_at
    assert restored_at is not None
    assert told.archival.due_at == restored_at + AFTER
    assert told.archival.deletes_at == restored_at + KEPT_FOR
    assert told.archival.segments.files == 1
    assert [one.event for one in told.timeline][-2:] == ["archived", "unarchived"]


async def test_holds_and_leases_stand_against_archiving_and_minimums_do_not(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await execute(
        database,
        f"UPDATE media_files SET min_retain_until = now() + interval '1 day' WHERE job_id = '{run.id}'",
        f"UPDATE media_files SET leased_until = now() + interval '1 hour' WHERE id = '{run.files['frame-1.jpg'].id}'",
    )
    leased = await archival(runtime, run)
    file_id = run.files["run.log"].id
    await runtime.retention.holds.hold_file(file_id, HoldRequest(actor="alice", reason="mine"), owner="alice")
    held = await archival(runtime, run)
    await runtime.retention.holds.hold_job(run.id, HoldRequest(actor="admin", reason="audit"), owner=None)
    held_whole = await archival(runtime, run)
    await let_be_due(database, run)

    requested = await runtime.archives.requests.request_due()

    assert [one.rule for one in leased.blockers] == [Barrier.JOB_LEASE]
    assert [(one.rule, one.scope) for one in held.blockers] == [
        (Barrier.HOLD, BarrierScope.FILE),
        (Barrier.JOB_LEASE, BarrierScope.FILE),
    ]
    assert held_whole.blockers[0].scope is BarrierScope.JOB
    assert held_whole.blockers[0].reason == "audit"
    assert requested.runs == 0


async def test_a_run_of_which_nothing_will_be_left_is_not_archived(runtime: Runtime, database: str) -> None:
    run, empty = await make_run(runtime), await add_job(database)
    for table in ("media_files", "analysis_results"):
        soon = f"UPDATE {table} SET expires_at = now() + interval '1 day' WHERE job_id = '{run.id}'"
        await execute(database, soon)
    await execute(database, f"UPDATE analysis_jobs SET completed_at = now() WHERE id = '{empty}'")

    for job in (run, empty):
        told = await archival(runtime, job)

        assert (told.due_at, told.starts_at, told.deletes_at) == (None, None, None)
        assert told.reason == "nothing of it is left to be archived then"


async def test_a_run_whose_last_file_is_wanted_gone_before_its_archive_is_not_archived(
    runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime, {})
    await execute(database, f"DELETE FROM analysis_results WHERE job_id = '{run.id}'")
    end = Expiry(at=datetime.now(UTC) + 20 * DAY)
    await add_file(runtime, run, "short.txt", b"not for long", expiry=end)

    told = await archival(runtime, run)
    with pytest.raises(NothingToArchive):
        await archive(runtime, run.id)

    assert (told.due_at, told.reason) == (None, "nothing of it is left to be archived then")


async def test_a_run_that_is_not_over_says_so(runtime: Runtime, database: str) -> None:
    told = await archival(runtime, await add_job(database))

    assert (told.due_at, told.reason) == (None, "it is not over")


async def test_what_the_last_archiving_failed_of_is_told(runtime: Runtime) -> None:
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    path.rename(path.with_suffix(".away"))
    task = await archive(runtime, run.id)

    told = await archival(runtime, run)
    path.with_suffix(".away").rename(path)
    await archive(runtime, run.id)
    after = await archival(runtime, run)

    assert task.status is ArchiveTaskStatus.FAILED
    assert told.failure is not None
    assert (told.failure.kind, told.failure.code, told.failure.at) == ("archive", "object_missing", task.ended_at)
    assert (told.due_at is None, told.archived_at) == (False, None)
    assert after.failure is None


async def test_a_file_of_an_ended_run_names_the_archiving_among_its_next_steps(runtime: Runtime) -> None:
    run = await make_run(runtime)
    starts_at = (await archival(runtime, run)).starts_at

    told = await runtime.retention.explanations.explain(run.files["frame-1.jpg"].id, owner="alice")

    assert told.next_steps[0].step == "archive"
    assert (told.next_steps[0].at, told.next_steps[0].rule) == (starts_at, "archived")


async def test_a_file_that_stays_out_of_the_archive_is_not_promised_to_it(runtime: Runtime) -> None:
    run = await make_run(runtime)
    short = await add_file(runtime, run, "short.txt", b"x", expiry=Expiry(at=datetime.now(UTC) + 20 * DAY))
    scratch = await add_file(runtime, run, "scratch.txt", b"x", category=Category.TEMP)
    held = run.files["run.log"]
    await runtime.retention.holds.hold_file(held.id, HoldRequest(actor="alice", reason="mine"), owner="alice")

    told = [await runtime.retention.explanations.explain(file.id, owner="alice") for file in (short, scratch, held)]

    assert [step.step for one in told for step in one.next_steps if step.step == "archive"] == []


@pytest.mark.parametrize("other", ["an end", "no end", "a minimum"])
async def test_a_file_that_ends_before_what_the_archive_is_kept_for_is_not_promised_to_it(
    runtime: Runtime, database: str, other: str
) -> None:
    run, kept = await make_run(runtime), Expiry(at=None if other == "no end" else datetime.now(UTC) + 90 * DAY)
    short = await add_file(runtime, run, "short.txt", b"x", expiry=Expiry(at=datetime.now(UTC) + 40 * DAY))
    if other == "a minimum":
        minimum = f"min_retain_until = now() + interval '90 days' WHERE id = '{run.files['run.log'].id}'"
        await execute(database, f"UPDATE media_files SET {minimum}")
    else:
        await add_file(runtime, run, "long.txt", b"x", expiry=kept)

    told = await runtime.retention.explanations.explain(short.id, owner="alice")
    await archive(runtime, run.id)

    assert "archive" not in [step.step for step in told.next_steps]
    assert (await runtime.files.catalog.get(short.id, owner="alice")).state is FileState.STORED


async def test_a_hold_on_one_file_keeps_the_others_out_of_the_archive_too(runtime: Runtime) -> None:
    run = await make_run(runtime)
    await runtime.retention.holds.hold_file(
        run.files["run.log"].id, HoldRequest(actor="alice", reason="mine"), owner="alice"
    )

    told = await runtime.retention.explanations.explain(run.files["frame-1.jpg"].id, owner="alice")

    assert "archive" not in [step.step for step in told.next_steps]


class TestWithoutSchedule:
    """A service that archives only what it is asked to."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"ARCHIVE_ENABLED": "false"}

    async def test_no_archiving_is_promised(self, runtime: Runtime) -> None:
        run = await make_run(runtime)

        told = await archival(runtime, run)
        of_file = await runtime.retention.explanations.explain(run.files["frame-1.jpg"].id, owner="alice")

        assert told.due_at is not None
        assert (told.starts_at, told.reason) == (None, "nothing is archived by schedule; ask for it")
        assert "archive" not in [step.step for step in of_file.next_steps]
