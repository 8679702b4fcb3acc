"""Runs and the fence their writes carry (promise 21)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from media_analysis.errors import FenceLost
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import Attempt, Failure, NewResult
from media_analysis.jobs.attempts.service import AttemptService
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.claims import claim_job
from tests.conftest import StoreFile, chunks, fetch

Write = Callable[[AttemptService, UUID, int], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "renew": lambda runs, job_id, fence: runs.renew(job_id, fence=fence),
    "progress": lambda runs, job_id, fence: runs.tell_progress(job_id, fence=fence, share=0.5, stage="frames"),
    "warn": lambda runs, job_id, fence: runs.warn(job_id, fence=fence, code="truncated", detail="it ends early"),
    "complete": lambda runs, job_id, fence: runs.complete(
        job_id, fence=fence, results=[NewResult(kind="probe", data={})]
    ),
    "fail": lambda runs, job_id, fence: runs.fail(job_id, fence=fence, failure=Failure(code="x", detail="y")),
    "hand back": lambda runs, job_id, fence: runs.hand_back(job_id, fence=fence, failure=None, delay=timedelta()),
}


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file(b"a source")


async def create(runtime: Runtime, source: MediaFile) -> AnalysisJob:
    return await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))


async def begin(runtime: Runtime, job: AnalysisJob, *, worker: str = "w") -> Attempt:
    run = await claim_job(runtime, job.id, worker=worker)
    assert run is not None
    return run


async def stage(runtime: Runtime, job: AnalysisJob, *, fence: int, ordinal: int) -> None:
    place = Place(role="piece", ordinal=ordinal, fence=fence)
    upload = Upload(
        owner="alice", category=Category.OUTPUTS, filename="a", job_id=job.id, place=place, run=job.folder_name
    )
    await runtime.files.uploads.store_file(upload, chunks(b"staged"))


async def everything_of(database: str) -> list[list[dict[str, Any]]]:
    tables = ("analysis_jobs", "analysis_results", "events", "media_files")
    return [[dict(row) for row in await fetch(database, f"SELECT * FROM {table} ORDER BY 1, 2")] for table in tables]


@pytest.mark.parametrize("write", WRITES)
async def test_a_run_that_was_taken_over_can_write_nothing(
    runtime: Runtime, source: MediaFile, database: str, write: str
) -> None:
    job = await create(runtime, source)
    zombie = await begin(runtime, job, worker="first")
    successor = await begin(runtime, job, worker="second")
    before = await everything_of(database)

    with pytest.raises(FenceLost):
        await WRITES[write](runtime.jobs.attempts, job.id, zombie.fence)

    assert await everything_of(database) == before
    await WRITES[write](runtime.jobs.attempts, job.id, successor.fence)
    assert await everything_of(database) != before


async def test_a_run_stores_what_it_staged_itself_and_nothing_of_the_run_before(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    job = await create(runtime, source)
    lost = await begin(runtime, job)
    for ordinal in range(3):
        await stage(runtime, job, fence=lost.fence, ordinal=ordinal)
    run = await begin(runtime, job)
    for ordinal in range(2):
        await stage(runtime, job, fence=run.fence, ordinal=ordinal)

    await runtime.jobs.attempts.complete(job.id, fence=run.fence)
    await runtime.deletion.discards.discard(job.id)

    rows = await fetch(database, "SELECT job_fence, ordinal, state::text FROM media_files WHERE role = 'piece'")
    assert sorted(map(tuple, rows)) == [(2, 0, "stored"), (2, 1, "stored")]
