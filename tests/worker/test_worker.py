"""The worker in this process: what it takes, how many at once, and how it stops."""

import asyncio
import os
from datetime import timedelta

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from media_analysis.worker.service import running_worker
from tests.conftest import StoreFile, execute, fetch
from tests.media import clips
from tests.worker.workers import (
    PIECES,
    children_of,
    jobs_of,
    open_jobs,
    options,
    outputs_of,
    queue_job,
    statuses,
    until,
    until_discarded,
    until_ended,
    until_status,
)

pytestmark = pytest.mark.usefixtures("plugged_in")


async def until_child(before: set[int]) -> None:
    """Wait until a child of this process works."""

    async def started() -> bool:
        return bool(set(children_of(os.getpid())) - before)

    await until(started)


async def until_childless(before: set[int]) -> float:
    async def gone() -> bool:
        return set(children_of(os.getpid())) <= before

    return await until(gone)


async def running_endlessly(runtime: Runtime, source: MediaFile, database: str) -> AnalysisJob:
    before = set(children_of(os.getpid()))
    job = await queue_job(runtime, source, endless=True)
    await until_status(database, job, "running")
    await until_child(before)
    return job


async def test_a_queued_job_runs_to_its_end(runtime: Runtime, source: MediaFile, database: str) -> None:
    job = await queue_job(runtime, source)

    async with running_worker(runtime, options()):
        jobs = await until_ended(database)

    assert (jobs[job.id]["status"], jobs[job.id]["attempts"]) == ("completed", 1)
    assert await outputs_of(database, job) == PIECES
    assert [row["published"] for row in await fetch(database, "SELECT published FROM analysis_results")] == [True]


async def test_a_real_video_is_probed_by_a_worker(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    video = await store_file(clips.h264().read_bytes(), filename="h264.mp4")
    await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[video.id]))

    async with running_worker(runtime, options()):
        jobs = await until_ended(database)

    (result,) = await fetch(database, "SELECT kind, data ->> 'video_codec' AS codec FROM analysis_results")
    assert statuses(jobs) == {"completed": 1}
    assert tuple(result) == ("probe", "h264")


async def test_what_will_not_pass_fails_at_once(runtime: Runtime, source: MediaFile, database: str) -> None:
    job = await queue_job(runtime, source, corrupt=True)

    async with running_worker(runtime, options()):
        jobs = await until_ended(database)

    assert (jobs[job.id]["error_code"], jobs[job.id]["attempts"]) == ("corrupt_media", 1)


async def test_no_more_jobs_are_begun_than_may_run(runtime: Runtime, source: MediaFile, database: str) -> None:
    jobs = [await queue_job(runtime, source, endless=True) for _ in range(5)]
    are_running = "SELECT FROM analysis_jobs WHERE status = 'running'"

    async def two_run() -> bool:
        return len(await fetch(database, are_running)) == 2

    async with running_worker(runtime, options(concurrency=2)):
        await until(two_run)
        running = await open_jobs(database)
        await runtime.jobs.control.cancel(jobs[0].id, owner="alice")
        await until_status(database, jobs[2], "running")
        running_later = await open_jobs(database)

    assert running == [("tiny", "running")] * 2 + [("tiny", "pending")] * 3
    assert running_later == [("tiny", "running")] * 2 + [("tiny", "pending")] * 2


async def test_a_kind_that_may_run_once_leaves_room_for_others(
    runtime: Runtime, source: MediaFile, store_file: StoreFile, database: str
) -> None:
    video = await store_file(clips.h264().read_bytes(), filename="h264.mp4")
    for _ in range(2):
        await queue_job(runtime, source, endless=True)
    probe = await runtime.jobs.control.create(
        NewJob(owner="alice", name="n", kind="probe", source_file_ids=[video.id], priority=-1)
    )

    async with running_worker(runtime, options(concurrency=3, per_kind={"tiny": 1})):
        await until_status(database, probe, "completed")
        found = statuses(await jobs_of(database))

    assert found == {"running": 1, "pending": 1, "completed": 1}


async def test_kinds_that_others_run_are_left_to_them(runtime: Runtime, source: MediaFile, database: str) -> None:
    await queue_job(runtime, source)
    await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))

    async with running_worker(runtime, options(kinds=["probe"])):

        async def probed() -> bool:
            return await open_jobs(database) == [("tiny", "pending")]

        await until(probed)

    assert statuses(await jobs_of(database)) == {"pending": 1, "failed": 1}


async def test_owners_take_turns_and_of_each_the_most_urgent_job_goes_first(
    runtime: Runtime, source: MediaFile, store_file: StoreFile, database: str
) -> None:
    of_bob = await store_file(b"a source", owner="bob")
    for owner, file, priority in (
        *(("alice", source, priority) for priority in (0, 5, 1)),
        ("bob", of_bob, -1),
    ):
        await runtime.jobs.control.create(
            NewJob(owner=owner, name="n", kind="tiny", source_file_ids=[file.id], priority=priority)
        )

    async with running_worker(runtime, options()):
        await until_ended(database)

    rows = await fetch(database, "SELECT owner, priority, started_at FROM analysis_jobs")
    started = {(row["owner"], row["priority"]): row["started_at"] for row in rows}
    # What one claim took began at one instant.
    assert started["alice", 5] <= started["alice", 1] <= started["alice", 0]
    assert started["bob", -1] <= started["alice", 1]


async def test_cancelling_stops_the_decoding_at_once(runtime: Runtime, source: MediaFile, database: str) -> None:
    """By a notice: no heartbeat comes before the test gives up."""
    before = set(children_of(os.getpid()))

    async with running_worker(runtime, options(heartbeat=timedelta(hours=1))):
        job = await running_endlessly(runtime, source, database)
        await runtime.jobs.control.cancel(job.id, owner="alice")
        await until_childless(before)
        await until_discarded(database, job)

    assert statuses(await jobs_of(database)) == {"cancelled": 1}


async def test_a_cancellation_that_nobody_told_of_is_noticed_at_a_heartbeat(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    before = set(children_of(os.getpid()))

    async with running_worker(runtime, options()):
        job = await running_endlessly(runtime, source, database)
        await execute(
            database,
            f"UPDATE analysis_jobs SET status = 'cancelled', fence = fence + 1 WHERE id = '{job.id}'",
        )
        await until_childless(before)


async def test_an_interrupted_worker_hands_its_job_back_as_if_it_had_not_begun(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    async with running_worker(runtime, options()) as worker:
        job = await running_endlessly(runtime, source, database)
        worker.interrupt()

    found = (await jobs_of(database))[job.id]
    assert (found["status"], found["attempts"]) == ("pending", 0)
    assert await open_jobs(database) == [("tiny", "pending")]
    assert await outputs_of(database, job) == []


async def test_within_its_grace_a_stopping_worker_finishes_and_takes_nothing_new(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    jobs = [await queue_job(runtime, source, seconds=0.5) for _ in range(2)]

    async with running_worker(runtime, options(grace=timedelta(seconds=20))):
        await until_status(database, jobs[0], "running")

    found = await jobs_of(database)
    assert [found[job.id]["status"] for job in jobs] == ["completed", "pending"]


async def test_a_second_interruption_does_not_wait(runtime: Runtime, source: MediaFile, database: str) -> None:
    async with running_worker(runtime, options(grace=timedelta(minutes=5))) as worker:
        job = await running_endlessly(runtime, source, database)
        worker.interrupt()
        worker.interrupt()
        await until_status(database, job, "pending")

    assert (await jobs_of(database))[job.id]["status"] == "pending"


async def test_a_worker_broken_off_hands_back_too(runtime: Runtime, source: MediaFile, database: str) -> None:
    """An error elsewhere in the process ends the block the worker runs in."""

    async def work() -> None:
        async with running_worker(runtime, options(grace=timedelta(minutes=5))):
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    job = await running_endlessly(runtime, source, database)
    working.cancel()
    await asyncio.wait({working})

    assert (await jobs_of(database))[job.id]["status"] == "pending"
    assert await open_jobs(database) == [("tiny", "pending")]
