"""Jobs that nobody would look at again are helped on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from media_analysis.errors import FenceLost
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.recovery import Recovered
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from media_analysis.scheduler.appointments import PATROLS, run_recovery
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.claims import claim_job
from tests.conftest import StoreFile, chunks, execute, fetch

LATER = timedelta(hours=1)
NOTHING = Recovered(silent=0, sourceless=0)


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file(b"a source", ttl=3600)


async def create(runtime: Runtime, source: MediaFile, **about: Any) -> AnalysisJob:
    asked: dict[str, Any] = {"owner": "alice", "name": "n", "kind": "probe", "source_file_ids": [source.id]}
    return await runtime.jobs.control.create(NewJob(**(asked | about)))


async def stage(runtime: Runtime, job: AnalysisJob, fence: int) -> None:
    await runtime.files.uploads.store_file(
        Upload(
            owner="alice",
            category=Category.OUTPUTS,
            filename="a",
            job_id=job.id,
            place=Place(role="piece", ordinal=0, fence=fence),
            run=job.folder_name,
        ),
        chunks(b"staged"),
    )


async def standing(database: str, job: AnalysisJob) -> tuple[Any, ...]:
    query = "SELECT status::text, error_code, attempts FROM analysis_jobs WHERE id = $1"
    (row,) = await fetch(database, query, job.id)
    return tuple(row)


async def lapse(database: str) -> None:
    await execute(database, "UPDATE analysis_jobs SET leased_until = now() - interval '1 s' WHERE status = 'running'")


async def test_what_is_well_is_left_alone(runtime: Runtime, source: MediaFile, database: str) -> None:
    waiting = await create(runtime, source)
    running = await create(runtime, source, kind="external")
    await claim_job(runtime, running.id, worker="w")

    recovered = await runtime.jobs.recovery.run()

    assert recovered == NOTHING
    assert await standing(database, waiting) == ("pending", None, 0)
    assert await standing(database, running) == ("running", None, 1)


async def test_a_job_whose_analyser_fell_silent_waits_again_without_what_it_staged(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    job = await create(runtime, source, kind="external")
    run = await claim_job(runtime, job.id, worker="w")
    assert run is not None
    await stage(runtime, job, run.fence)
    await lapse(database)

    recovered = await runtime.jobs.recovery.run()
    again = await runtime.jobs.recovery.run()

    assert (recovered, again) == (Recovered(silent=1, sourceless=0), NOTHING)
    assert await standing(database, job) == ("pending", "worker_lost", 1)
    assert await fetch(database, "SELECT FROM media_files WHERE job_id = $1", job.id) == []
    with pytest.raises(FenceLost):
        await runtime.jobs.attempts.complete(job.id, fence=run.fence)


async def test_a_job_whose_analysers_fall_silent_too_often_fails(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    job = await create(runtime, source, kind="external")

    for _ in range(runtime.jobs.attempts.max_attempts):
        await claim_job(runtime, job.id, worker="w")
        await lapse(database)
        await runtime.jobs.recovery.run()

    assert await standing(database, job) == ("failed", "worker_lost", runtime.jobs.attempts.max_attempts)


async def test_a_job_whose_worker_died_is_left_to_the_next_one(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    job = await create(runtime, source)
    await claim_job(runtime, job.id)
    while_leased = await runtime.jobs.claims.claim(["probe"], worker="w")
    await lapse(database)

    recovered = await runtime.jobs.recovery.run()
    taken_over = await runtime.jobs.claims.claim(["probe"], worker="w")

    assert recovered == NOTHING
    assert while_leased.attempts == []
    assert [attempt.job_id for attempt in taken_over.attempts] == [job.id]


@pytest.mark.parametrize("kind", ["probe", "external"])
async def test_a_waiting_job_whose_source_was_deleted_fails_and_leaves_the_queue(
    runtime: Runtime, source: MediaFile, database: str, kind: str
) -> None:
    job = await create(runtime, source, kind=kind, pins=False)
    await delete_file(runtime, source.id, owner="alice", actor="alice")

    recovered = await runtime.jobs.recovery.run()

    assert recovered == Recovered(silent=0, sourceless=1)
    assert await standing(database, job) == ("failed", "source_gone", 0)
    assert not (await runtime.jobs.claims.claim([kind], worker="w")).attempts


async def test_a_waiting_job_whose_source_expired_fails_unless_it_pinned_it(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    source = await store_file(b"a source", ttl=60)
    unpinned = await create(runtime, source, pins=False)
    pinned = await create(runtime, source)

    recovered = await runtime.jobs.recovery.run(now=datetime.now(UTC) + LATER)
    long_after = await runtime.jobs.recovery.run(now=datetime.now(UTC) + timedelta(days=2))

    assert (recovered.sourceless, long_after.sourceless) == (1, 1)
    assert await standing(database, unpinned) == ("failed", "source_expired", 0)
    assert await standing(database, pinned) == ("failed", "source_expired", 0)


async def test_it_is_among_the_duties_of_the_scheduler(runtime: Runtime) -> None:
    assert run_recovery in PATROLS
    await run_recovery(runtime)


async def test_one_look_is_bounded_and_the_next_ones_go_through_all_that_wait(
    runtime: Runtime, source: MediaFile, store_file: StoreFile
) -> None:
    """However many jobs wait: a patrol comes every minute, and claims find what it has not seen yet."""
    going = await store_file(b"another")
    for _ in range(4):
        await create(runtime, source)
    for _ in range(3):
        await create(runtime, going, pins=False)
    await delete_file(runtime, going.id, owner="alice", actor="alice")
    recovery = replace(runtime.jobs.recovery, look=3)

    found = [(await recovery.run()).sourceless for _ in range(4)]
    late = await create(runtime, source, pins=False)
    again = [(await recovery.run(now=late.created_at + 2 * LATER)).sourceless for _ in range(4)]

    assert found == [0, 2, 1, 0]
    assert sum(again) == 1
