"""Results and runs end: with their job, with their category, and never while something of them is kept."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import JobGone
from media_analysis.files.expiry import Expiry
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.retention.holds import HoldRequest
from media_analysis.retention.models import SweepStatus
from media_analysis.retention.records import SweepReport
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.retention.conftest import request, sweep, sweeping
from tests.retention.runs import HOUR, instant, run_job

DAY = timedelta(days=1)


@pytest.fixture
async def ended(runtime: Runtime, store_file: StoreFile) -> AnalysisJob:
    """A run kept for an hour, of one frame and one probe."""
    return await run_job(runtime, store_file, lifetime=HOUR)


async def results_of(database: str, job: AnalysisJob) -> list[asyncpg.Record]:
    return await fetch(database, "SELECT * FROM analysis_results WHERE job_id = $1", job.id)


async def is_deleted(database: str, job_id: UUID) -> bool:
    (row,) = await fetch(database, "SELECT deleted_at FROM analysis_jobs WHERE id = $1", job_id)
    return row["deleted_at"] is not None


async def test_a_run_whose_time_is_over_leaves_a_summary_and_nothing_else(
    runtime: Runtime, ended: AnalysisJob, database: str
) -> None:
    report = await sweep(runtime, now=await instant(runtime, 2 * HOUR))

    assert (report.files, report.results, report.jobs) == (1, 1, 1)
    assert not await results_of(database, ended)
    assert not await fetch(database, "SELECT FROM job_sources")
    with pytest.raises(JobGone):
        await runtime.jobs.catalog.get(ended.id, owner="alice")
    (summary,) = await fetch(database, "SELECT * FROM job_audit")
    assert (summary["job_id"], summary["status"], summary["deleted_by"]) == (ended.id, "completed", "test")
    assert (summary["files"], summary["size_bytes"], summary["reason"]) == (1, 7, "expired")
    assert json.loads(summary["stats"])["categories"] == {"frames": {"files": 1, "size_bytes": 7}}
    (event,) = await fetch(database, "SELECT * FROM audit_events WHERE job_id = $1 AND action = 'deleted'", ended.id)
    assert (event["rule"], event["sweep_id"]) == ("explicit_expiry", report.id)


async def test_what_is_remembered_of_a_sweep_tells_of_results_and_runs(
    runtime: Runtime, ended: AnalysisJob, database: str
) -> None:
    report = await sweep(runtime, now=await instant(runtime, 2 * HOUR))

    (row,) = await fetch(database, "SELECT details FROM sweeps WHERE id = $1", report.id)
    assert json.loads(row["details"]) == {"results": 1, "jobs": 1}
    assert report.facts()["jobs"] == 1


async def test_a_run_whose_time_is_not_over_stays(runtime: Runtime, ended: AnalysisJob, database: str) -> None:
    report = await sweep(runtime, now=await instant(runtime, timedelta(minutes=59)))

    assert (report.files, report.results, report.jobs) == (0, 0, 0)
    assert len(await results_of(database, ended)) == 1


async def test_a_held_run_keeps_its_results_until_it_is_released(
    runtime: Runtime, ended: AnalysisJob, database: str
) -> None:
    await runtime.retention.holds.hold_job(ended.id, HoldRequest(actor="alice", reason="a dispute"), owner="alice")
    later = await instant(runtime, 2 * HOUR)

    held = await sweep(runtime, now=later)
    await runtime.retention.holds.release_job(ended.id, owner="alice", actor="alice")
    released = await sweep(runtime, now=later)

    assert (held.files, held.results, held.jobs) == (0, 0, 0)
    assert (released.files, released.results, released.jobs) == (1, 1, 1)


async def test_a_run_stays_as_long_as_one_of_its_files(runtime: Runtime, ended: AnalysisJob, database: str) -> None:
    (frame,) = await fetch(database, "SELECT id FROM media_files WHERE job_id = $1", ended.id)
    await runtime.retention.holds.hold_file(frame["id"], HoldRequest(actor="alice", reason="a dispute"), owner="alice")

    later = await instant(runtime, 2 * HOUR)

    report = await sweep(runtime, now=later)
    is_kept = not await is_deleted(database, ended.id)
    await runtime.retention.holds.release_file(frame["id"], owner="alice", actor="alice")
    released = await sweep(runtime, now=later)

    assert (report.files, report.results, report.jobs) == (0, 1, 0)
    assert is_kept
    assert (released.files, released.results, released.jobs) == (1, 0, 1)


async def test_a_run_stays_as_long_as_one_of_its_results(runtime: Runtime, ended: AnalysisJob, database: str) -> None:
    (result,) = await results_of(database, ended)
    await runtime.jobs.result_expiry.change(result["id"], expires_at=None, owner="alice", actor="alice")

    report = await sweep(runtime, now=await instant(runtime, 2 * HOUR))

    assert (report.files, report.results, report.jobs) == (1, 0, 0)
    assert not await is_deleted(database, ended.id)


async def test_a_run_without_an_end_stays_where_its_category_is_indefinite(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    job = await run_job(runtime, store_file, lifetime=None)

    report = await sweep(runtime, now=await instant(runtime, 1000 * DAY))

    assert (report.results, report.jobs) == (0, 0)
    assert len(await results_of(database, job)) == 1


class TestWhereOutputsEnd:
    """Where outputs have a lifetime, so have runs."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_RETENTION_OUTPUTS": "86400"}

    @pytest.mark.parametrize("left", [1, 0])
    async def test_a_run_without_an_end_goes_with_the_lifetime_of_its_category(
        self, runtime: Runtime, store_file: StoreFile, database: str, left: int
    ) -> None:
        job = await run_job(runtime, store_file, lifetime=None, frames=0)
        (result,) = await results_of(database, job)
        await execute(database, f"DELETE FROM analysis_results WHERE {left} = 0")

        before = await sweep(runtime, now=result["expires_at"] - HOUR)
        after = await sweep(runtime, now=result["expires_at"] + HOUR)

        assert (before.results, before.jobs) == (0, 0)
        assert (after.results, after.jobs) == (left, 1)
        (event,) = await fetch(database, "SELECT * FROM audit_events WHERE job_id = $1 AND action = 'deleted'", job.id)
        assert event["rule"] == "category_lifetime"


async def test_many_runs_go_batch_by_batch(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    for _ in range(5):
        await run_job(runtime, store_file, lifetime=HOUR, frames=0)
    small = sweeping(runtime)
    small = replace(small, runs=replace(small.runs, batch_size=2))

    report = await small.run(request(), now=await instant(runtime, 2 * HOUR))

    assert (report.results, report.jobs) == (5, 5)
    assert not await fetch(database, "SELECT FROM analysis_jobs WHERE deleted_at IS NULL")


async def test_a_rehearsal_counts_what_goes_and_takes_nothing(
    runtime: Runtime, ended: AnalysisJob, store_file: StoreFile, database: str
) -> None:
    bare = await run_job(runtime, store_file, lifetime=HOUR, frames=0)
    await execute(database, f"DELETE FROM analysis_results WHERE job_id = '{bare.id}'")

    report = await sweeping(runtime).run(request(dry_run=True), now=await instant(runtime, 2 * HOUR))

    assert (report.files, report.results, report.jobs) == (1, 1, 1)
    assert not await is_deleted(database, bare.id)
    assert len(await results_of(database, ended)) == 1


async def test_a_paused_category_keeps_its_results_and_runs(
    runtime: Runtime, ended: AnalysisJob, database: str
) -> None:
    await runtime.deletion.pauses.pause(category=Category.OUTPUTS, reason="looking into it", by="admin")

    report = await sweep(runtime, now=await instant(runtime, 2 * HOUR))

    assert report.status is SweepStatus.PAUSED
    assert (report.files, report.results, report.jobs) == (1, 0, 0)


async def test_a_sweep_of_another_category_leaves_runs_alone(
    runtime: Runtime, ended: AnalysisJob, database: str
) -> None:
    frames = request(categories=(Category.FRAMES,))

    report = await sweeping(runtime).run(frames, now=await instant(runtime, 2 * HOUR))

    assert (report.files, report.results, report.jobs) == (1, 0, 0)


async def test_a_job_that_waits_is_not_over_whatever_its_end(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    source = await store_file(b"a film")
    asked = NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id])
    job = await runtime.jobs.control.create(asked)
    await execute(database, "UPDATE analysis_jobs SET expires_at = now() - interval '1 h'")

    report = await sweep(runtime)

    assert report.jobs == 0
    assert not await is_deleted(database, job.id)


async def test_an_upload_under_way_keeps_its_run(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    job = await run_job(runtime, store_file, lifetime=HOUR, frames=0)
    await execute(database, "UPDATE analysis_jobs SET expires_at = now() - interval '1 min'")
    await execute(database, "DELETE FROM analysis_results")
    reports: list[SweepReport] = []

    async def body() -> AsyncIterator[bytes]:
        yield bytes(1_000_000)
        reports.append(await sweep(runtime))
        yield b"the end"

    late = Upload(owner="alice", category=Category.OUTPUTS, filename="late.bin", job_id=job.id)
    file = await runtime.files.uploads.store_file(late, body())

    assert [report.jobs for report in reports] == [0]
    assert file.job_id == job.id
    assert not await is_deleted(database, job.id)


class TestByWayOfTheTrash:
    """Where sweeps delete into the trash, what expired can still come back."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {
            "DELETION_STRATEGY": "soft",
            "STORAGE_CLEANUP_USE_TRASH": "true",
            "TRASH_RETENTION": "24h",
        }

    async def test_results_stay_as_long_as_the_trash_and_go_with_it(
        self, runtime: Runtime, ended: AnalysisJob, database: str
    ) -> None:
        expired = await sweep(runtime, now=await instant(runtime, 2 * HOUR))
        kept = len(await results_of(database, ended))
        over = await sweep(runtime, now=await instant(runtime, 2 * DAY))

        assert (expired.files_trashed, expired.results, expired.jobs, kept) == (1, 0, 0, 1)
        assert (over.files, over.results, over.jobs) == (1, 1, 1)

    async def test_a_run_that_is_over_comes_back_with_its_results(
        self, runtime: Runtime, ended: AnalysisJob, database: str
    ) -> None:
        later = await instant(runtime, 2 * HOUR)
        await sweep(runtime, now=later)

        restored = await runtime.retention.trash.restore_job(ended.id, owner="alice", actor="alice", now=later)
        after = await sweep(runtime, now=later + 12 * HOUR)

        (result,) = await results_of(database, ended)
        (job,) = await fetch(database, "SELECT expires_at FROM analysis_jobs WHERE id = $1", ended.id)
        assert (restored.restored, after.files_trashed, after.results) == (1, 0, 0)
        assert (result["published"], result["expires_at"]) == (True, job["expires_at"])
        assert job["expires_at"] > later + 12 * HOUR

    async def test_a_job_deleted_into_the_trash_is_forgotten_when_its_time_is_over(
        self, runtime: Runtime, ended: AnalysisJob, database: str
    ) -> None:
        asked = DeletionRequest(actor="alice")
        await runtime.jobs.deletions.delete(ended.id, asked, owner="alice")

        early = await sweep(runtime, now=await instant(runtime, HOUR))
        kept = len(await results_of(database, ended))
        late = await sweep(runtime, now=await instant(runtime, 25 * HOUR))

        assert (early.files, kept, late.files) == (0, 1, 1)
        assert not await results_of(database, ended)
        (job,) = await fetch(database, "SELECT restorable_until FROM analysis_jobs WHERE id = $1", ended.id)
        assert job["restorable_until"] is None

    async def test_results_about_a_file_go_when_the_trash_lets_it_go(
        self, runtime: Runtime, ended: AnalysisJob, database: str
    ) -> None:
        (result,) = await results_of(database, ended)
        await delete_file(runtime, result["media_file_id"], owner="alice", actor="alice")
        await runtime.retention.holds.extend_job(ended.id, Expiry(lifetime=10 * DAY), owner="alice", actor="alice")

        await sweep(runtime, now=await instant(runtime, 23 * HOUR))
        hidden = await results_of(database, ended)
        await sweep(runtime, now=await instant(runtime, 25 * HOUR))

        assert [row["published"] for row in hidden] == [False]
        assert not await results_of(database, ended)
        assert not await is_deleted(database, ended.id)
