"""Jobs that are deleted while a worker of this process runs them."""

import os
from datetime import timedelta

import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.worker.service import running_worker
from tests.conftest import fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.worker.workers import children_of, options, outputs_of, queue_job, until, until_status

pytestmark = pytest.mark.usefixtures("plugged_in")


@pytest.mark.parametrize("strategy", ["soft", "hard"])
async def test_deleting_a_running_job_stops_the_decoding_at_once(
    runtime: Runtime, source: MediaFile, database: str, strategy: str
) -> None:
    """By a notice: no heartbeat comes before the test gives up."""
    before = set(children_of(os.getpid()))
    asked = DeletionRequest(actor="alice", soft=strategy == "soft", hard=strategy == "hard")

    async def working() -> bool:
        return bool(set(children_of(os.getpid())) - before)

    async def idle() -> bool:
        return set(children_of(os.getpid())) <= before

    async with running_worker(runtime, options(heartbeat=timedelta(hours=1))):
        job = await queue_job(runtime, source, endless=True)
        await until_status(database, job, "running")
        await until(working)
        told = await runtime.jobs.deletions.delete(job.id, asked, owner="alice")
        await until(idle)

    assert told.stops
    assert await outputs_of(database, job) == []
    assert len(objects(disk_of(runtime.store).root)) == 1  # the source
    assert [row["status"] for row in await fetch(database, "SELECT status::text FROM analysis_jobs")] == ["cancelled"]
