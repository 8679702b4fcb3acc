"""Workers as processes of their own: they share, stop in order, and stand in for each other."""

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import load_settings
from media_analysis.worker.service import LONGEST_LOOK, running_worker
from tests.conftest import execute, fetch
from tests.worker.workers import (
    PIECES,
    children_of,
    jobs_of,
    options,
    outputs_of,
    queue_job,
    runs,
    statuses,
    until,
    until_attempts,
    until_ended,
    until_status,
    working,
)

pytestmark = pytest.mark.usefixtures("plugged_in")
RESCUE_SECONDS = (options().heartbeat + options().look).total_seconds()
"""A heartbeat's timeout, and the time until somebody looks."""
_WAITED = """
    SELECT job.begun_at - event.at FROM analysis_jobs AS job JOIN job_events AS event ON event.job_id = job.id
    WHERE event.data ->> 'status' = 'pending' AND event.number > 1
"""
"""Between the end of an attempt that was handed back and the next one."""
SLACK_SECONDS = 20.0
"""The machine is shared with the tests beside; without a look at what the dead left it takes a lease longer."""
LONG = {"WORKER_HEARTBEAT_SECONDS": "60", "WORKER_LEASE_SECONDS": "60"}
"""Longer than a machine stands still: who is alive is not taken to be dead."""
_HASTEN = "UPDATE analysis_jobs SET parameters = '{}'"
"""For whoever takes a job over, while the one who runs it still does as it was asked."""


async def test_two_workers_share_twenty_jobs_and_each_job_runs_once(
    runtime: Runtime, source: MediaFile, database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    async def both_work() -> bool:
        return statuses(await jobs_of(database))["running"] == 2

    async with working(environment | LONG, tmp_path), working(environment | LONG, tmp_path):
        # One each, or the other might have run all twenty before this one got to it.
        endless = [await queue_job(runtime, source, endless=True) for _ in range(2)]
        created = [await queue_job(runtime, source) for _ in range(20)]
        await until(both_work)
        for job in endless:
            await runtime.jobs.control.cancel(job.id, owner="alice")
        jobs = await until_ended(database)

    assert statuses(jobs) == {"completed": 20, "cancelled": 2}
    assert {job["attempts"] for job in jobs.values()} == {1}
    assert len({job["worker"] for job in jobs.values()}) == 2
    for job in created:
        assert await outputs_of(database, job) == PIECES


async def test_a_worker_told_to_stop_hands_back_and_an_idle_one_hears_of_it_at_once(
    runtime: Runtime, source: MediaFile, database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    job = await queue_job(runtime, source, endless=True)

    async with working(environment | LONG, tmp_path) as first:
        await until_first_piece(database)
        await execute(database, _HASTEN)
        async with running_worker(runtime, options(heartbeat=timedelta(minutes=1))):
            exit_code = await first.end(signal.SIGTERM)
            jobs = await until_ended(database)

    assert exit_code == 0
    assert "Traceback" not in first.output
    ((waited,),) = await fetch(database, _WAITED)
    assert waited < LONGEST_LOOK
    assert (jobs[job.id]["status"], jobs[job.id]["attempts"], jobs[job.id]["fence"]) == ("completed", 1, 3)
    assert await outputs_of(database, job) == PIECES


@pytest.mark.crash
async def test_a_killed_worker_is_stood_in_for_within_the_stated_time(
    runtime: Runtime, source: MediaFile, database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    job = await queue_job(runtime, source, endless=True)

    async def no_child_is_left() -> bool:
        return not any(map(runs, children))

    async with working(environment | {"WORKER_LEASE_SECONDS": "60"}, tmp_path) as first:
        await until_first_piece(database)
        children = children_of(first.process.pid)
        await execute(database, _HASTEN)
        async with running_worker(runtime, options()):
            killed_at = time.monotonic()
            await first.end(signal.SIGKILL)
            await until_attempts(database, job, 2)
            took = time.monotonic() - killed_at
            await until(no_child_is_left)
            jobs = await until_ended(database)

    assert took < RESCUE_SECONDS + SLACK_SECONDS
    assert children
    assert jobs[job.id]["status"] == "completed"
    assert await outputs_of(database, job) == PIECES


@pytest.mark.crash
async def test_a_worker_that_wakes_up_after_it_was_replaced_changes_nothing(
    runtime: Runtime, source: MediaFile, database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Promise 21."""
    job = await queue_job(runtime, source, seconds=2)

    async with working(environment, tmp_path) as zombie:
        await until_first_piece(database)
        os.kill(zombie.process.pid, signal.SIGSTOP)
        async with running_worker(runtime, options()):
            await until_status(database, job, "completed")
        published = await everything_of(database)
        os.kill(zombie.process.pid, signal.SIGCONT)
        # Its child has long made the second piece; what it hears of that ends its run.
        await until_childless(zombie.process.pid)
        later = await queue_job(runtime, source)
        jobs = await until_ended(database)
        exit_code = await zombie.end(signal.SIGTERM)

    assert [row for row in await everything_of(database) if row[0] == job.id] == published
    assert await outputs_of(database, job) == PIECES
    assert (jobs[later.id]["status"], exit_code) == ("completed", 0)
    assert "Traceback" not in zombie.output


async def until_first_piece(database: str) -> None:
    async def staged() -> bool:
        return bool(await fetch(database, "SELECT FROM media_files WHERE role = 'piece' AND sha256 IS NOT NULL"))

    await until(staged)


async def until_childless(process: int) -> None:
    async def gone() -> bool:
        return children_of(process) == []

    await until(gone)


async def everything_of(database: str) -> list[tuple[object, ...]]:
    query = (
        "SELECT job_id, id, job_fence, state::text, role, ordinal FROM media_files WHERE role IS NOT NULL ORDER BY id"
    )
    return [tuple(row) for row in await fetch(database, query)]


@pytest.mark.crash
async def test_a_job_that_kills_its_workers_is_given_up(
    runtime: Runtime, source: MediaFile, database: str, environment: dict[str, str], tmp_path: Path
) -> None:
    poison = {"WORKER_MAX_ATTEMPTS": "2", "MEDIA_ANALYSIS_FAILPOINT": "product.staged:1"}
    job = await queue_job(runtime, source)

    for _ in range(2):
        async with working(environment | poison, tmp_path, ready=False) as worker:
            async with asyncio.timeout(60):
                exit_code = await worker.process.ended()
            assert exit_code == -signal.SIGKILL
    settings = load_settings(environ=environment | {"WORKER_MAX_ATTEMPTS": "2"}).settings
    async with open_runtime(settings, database) as strict, running_worker(strict, options()):
        jobs = await until_ended(database)

    assert (jobs[job.id]["status"], jobs[job.id]["error_code"]) == ("failed", "worker_lost")
    assert await outputs_of(database, job) == []
