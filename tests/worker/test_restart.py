"""PostgreSQL goes away under a working worker and comes back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from media_analysis.db.migrations import migrate
from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.worker.service import WorkerOptions, running_worker
from tests.conftest import execute, with_database
from tests.db.embedded.servers import short_home
from tests.db.power import Power
from tests.worker.workers import outputs_of, queue_job, statuses, until_ended, until_status

pytestmark = [pytest.mark.usefixtures("plugged_in"), pytest.mark.crash]
OPTIONS = WorkerOptions(kinds=["tiny"], heartbeat=timedelta(seconds=1), grace=timedelta())


@pytest.fixture(scope="module")
async def power() -> AsyncIterator[Power]:
    with short_home() as home:
        switched = Power(home / "postgres")
        await switched.switch_on()
        await migrate(switched.url)
        try:
            yield switched
        finally:
            await switched.switch_off()


@pytest.fixture
async def database(power: Power, request: pytest.FixtureRequest) -> str:
    name = f"away_{abs(hash(request.node.name))}"
    await execute(with_database(power.url, "postgres"), f'CREATE DATABASE "{name}" TEMPLATE media_analysis')
    return with_database(power.url, name)


async def test_a_worker_outlives_a_restart_of_the_database(
    runtime: Runtime, source: MediaFile, power: Power, database: str
) -> None:
    """The job that ran is tried again where it could not write what it made, and whatever waits is run."""
    running = await queue_job(runtime, source, seconds=0.5)
    waiting = await queue_job(runtime, source)

    async with running_worker(runtime, OPTIONS):
        await until_status(database, running, "running")
        await power.switch_off()
        await asyncio.sleep(1.5)  # longer than the run and its heartbeat: nobody can write
        await power.switch_on()
        jobs = await until_ended(database)

    assert statuses(jobs) == {"completed": 2}
    for job in (running, waiting):
        assert await outputs_of(database, job) == [("piece", 0, "stored"), ("piece", 1, "stored")]


async def test_a_worker_can_stop_while_the_database_is_away(
    runtime: Runtime, source: MediaFile, power: Power, database: str
) -> None:
    job = await queue_job(runtime, source, endless=True)

    async with running_worker(runtime, OPTIONS) as worker:
        await until_status(database, job, "running")
        await power.switch_off()
        try:
            worker.interrupt()
            async with asyncio.timeout(60):
                await worker.ended.wait()
        finally:
            await power.switch_on()
    async with running_worker(runtime, OPTIONS):
        await until_status(database, job, "running")
        await runtime.jobs.control.cancel(job.id, owner="alice")
