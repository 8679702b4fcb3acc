"""Jobs end while files come, go, are held and swept: nobody waits in a circle (promise 32)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from media_analysis.errors import MediaAnalysisError, Unavailable
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import Attempt, NewResult
from media_analysis.jobs.control import NewJob
from media_analysis.retention.holds import HoldRequest
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.claims import claim_job
from tests.conftest import StoreFile, chunks

JOBS = 8
HOLD = HoldRequest(actor="alice", reason="evidence")


async def staged_run(runtime: Runtime, sources: Sequence[UUID]) -> Attempt:
    """Start a run of a job, and stage a product that was derived from its first source."""
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=sources))
    run = await claim_job(runtime, job.id, worker="w")
    assert run is not None
    place = Place(role="piece", ordinal=0, fence=run.fence)
    upload = Upload(
        owner="alice",
        category=Category.UPLOADS,
        filename="a",
        job_id=run.job_id,
        parent_id=sources[0],
        place=place,
        run=run.folder_name,
    )
    await runtime.files.uploads.store_file(upload, chunks(b"staged"))
    return run


@pytest.fixture
async def sources(store_file: StoreFile) -> Sequence[UUID]:
    return [(await store_file(b"a source")).id for _ in range(3)]


@pytest.fixture
async def runs(runtime: Runtime, sources: Sequence[UUID]) -> Sequence[Attempt]:
    orders = [sources, list(reversed(sources))]
    return await asyncio.gather(*(staged_run(runtime, orders[number % 2]) for number in range(JOBS)))


Neighbour = Callable[[Runtime, Attempt, MediaFile], Awaitable[Any]]
SWEEP = SweepRequest(trigger=SweepTrigger.API, actor="alice")
NEIGHBOURS: dict[str, Neighbour] = {
    "an upload": lambda runtime, _run, _file: runtime.files.uploads.store_file(
        Upload(owner="alice", category=Category.UPLOADS, filename="b"), chunks(b"another")
    ),
    "an upload into the job": lambda runtime, run, _file: runtime.files.uploads.store_file(
        Upload(owner="alice", category=Category.UPLOADS, filename="b", job_id=run.job_id), chunks(b"another")
    ),
    "a deletion": lambda runtime, _run, file: delete_file(runtime, file.id, owner="alice", actor="alice"),
    "the deletion of a source": lambda runtime, run, _file: delete_file(
        runtime, run.sources[0].file_id, owner="alice", actor="alice"
    ),
    "a hold": lambda runtime, _run, file: runtime.retention.holds.hold_file(file.id, HOLD, owner="alice"),
    "a hold of the job": lambda runtime, run, _file: runtime.retention.holds.hold_job(run.job_id, HOLD, owner="alice"),
    "a renewal": lambda runtime, run, _file: runtime.jobs.attempts.renew(run.job_id, fence=run.fence),
    "a cancellation": lambda runtime, run, _file: runtime.jobs.control.cancel(run.job_id, owner="alice"),
    "a sweep": lambda runtime, _run, _file: runtime.retention.sweeps.run(SWEEP),
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
async def test_jobs_end_beside_others_and_postgresql_has_to_break_no_circle(
    runtime: Runtime, store_file: StoreFile, runs: Sequence[Attempt], neighbour: str
) -> None:
    files = await asyncio.gather(*(store_file(b"some", ttl=timedelta(hours=1).total_seconds()) for _ in runs))
    results = [NewResult(kind="probe", data={})]

    with capture_logs() as logs:
        ended = await asyncio.gather(
            *(runtime.jobs.attempts.complete(run.job_id, fence=run.fence, results=results) for run in runs),
            *(NEIGHBOURS[neighbour](runtime, run, file) for run, file in zip(runs, files, strict=True)),
            return_exceptions=True,
        )

    failed = [error for error in ended if isinstance(error, BaseException)]
    assert [error for error in failed if not isinstance(error, MediaAnalysisError)] == []
    assert [error for error in failed if isinstance(error, Unavailable)] == []
    assert [log for log in logs if log["event"] == "transaction.conflicted"] == []
