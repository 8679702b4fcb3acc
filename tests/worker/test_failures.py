"""What becomes of a job whose run did not work out: tried again with growing pauses, or given up in a sentence."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from media_analysis.worker.service import running_worker
from tests.conftest import StoreFile, execute, fetch
from tests.worker.workers import (
    PIECES,
    jobs_of,
    options,
    outputs_of,
    queue_job,
    until,
    until_ended,
)

pytestmark = pytest.mark.usefixtures("plugged_in")
FIRST_PAUSE = timedelta(minutes=1)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Pauses that no test lives to see the end of."""
    return environment | {"WORKER_RETRY_SECONDS": str(FIRST_PAUSE.total_seconds())}


async def until_pausing(database: str, *, after: int) -> dict[str, Any]:
    """Return how the only job waits once it was tried so often."""
    query = """
        SELECT error_code, error, retry_at - now() AS waits FROM analysis_jobs
        WHERE attempts = $1 AND status = 'pending'
    """
    found: list[dict[str, Any]] = []

    async def pausing() -> bool:
        found.extend(dict(row) for row in await fetch(database, query, after))
        return bool(found)

    await until(pausing)
    return found[0]


async def let_the_pause_be_over(database: str) -> None:
    await execute(database, "UPDATE analysis_jobs SET retry_at = now()", "SELECT pg_notify('job_work', 'tiny')")


async def test_what_may_pass_is_tried_again_with_growing_pauses_and_given_up_in_the_end(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    """The analysis crashes each time, and takes nobody with it."""
    job = await queue_job(runtime, source, crash=True)

    pauses = []
    async with running_worker(runtime, options()):
        for attempt in (1, 2):
            pauses.append(await until_pausing(database, after=attempt))
            await let_the_pause_be_over(database)
        ended = (await until_ended(database))[job.id]

    for pause, expected in zip(pauses, (FIRST_PAUSE, 2 * FIRST_PAUSE), strict=True):
        assert pause["error_code"] == "analysis_crashed"
        assert abs(pause["waits"] - expected) < FIRST_PAUSE / 2
    assert (ended["status"], ended["error_code"], ended["attempts"]) == ("failed", "analysis_crashed", 3)
    assert ended["error"] == "the analysis crashed: exit status 1"
    assert await outputs_of(database, job) == []


async def test_a_queued_job_whose_source_expired_fails_for_that_reason_unless_it_pinned_it(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    source = await store_file(b"a source", ttl=3600)
    asked: dict[str, Any] = {"owner": "alice", "name": "n", "kind": "tiny", "source_file_ids": [source.id]}
    pinned = await runtime.jobs.control.create(NewJob(**asked))
    unpinned = await runtime.jobs.control.create(NewJob(**asked, pins=False))
    await execute(database, "UPDATE media_files SET expires_at = now() - interval '1 s'")

    async with running_worker(runtime, options()):
        jobs = await until_ended(database)

    assert jobs[pinned.id]["status"] == "completed"
    assert (jobs[unpinned.id]["status"], jobs[unpinned.id]["error_code"]) == ("failed", "source_expired")
    assert jobs[unpinned.id]["error"] == f"source {source.id} expired before the job ran"
    assert await outputs_of(database, pinned) == PIECES


async def test_a_job_whose_analysis_burns_for_long_stays_with_its_worker(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    """Were the loop blocked, no heartbeat would be sent and another worker would run the job too."""
    patient = options(heartbeat=timedelta(seconds=6))  # longer than a machine stands still
    job = await queue_job(runtime, source, endless=True)
    beats: set[datetime] = set()

    async def beaten_for_longer_than_a_timeout() -> bool:
        beats.update(row[0] for row in await fetch(database, "SELECT leased_until FROM analysis_jobs"))
        return len(beats) >= 5  # the first, three in a timeout, and one by which the other has looked again

    async with (
        running_worker(runtime, patient),
        running_worker(runtime, patient),
    ):
        await until(beaten_for_longer_than_a_timeout)
        running = (await jobs_of(database))[job.id]

    assert (running["status"], running["attempts"], running["fence"]) == ("running", 1, 1)
