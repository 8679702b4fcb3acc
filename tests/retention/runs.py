"""Runs that ended, with products and results, without any decoding."""

from datetime import datetime, timedelta

from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.claims import claim_job
from tests.conftest import StoreFile, chunks

HOUR = timedelta(hours=1)


async def run_job(
    runtime: Runtime, store_file: StoreFile, *, lifetime: timedelta | None, frames: int = 1
) -> AnalysisJob:
    source = await store_file(b"a film", ttl=30 * 86400)
    asked = NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id], lifetime=lifetime)
    job = await runtime.jobs.control.create(asked)
    run = await claim_job(runtime, job.id, worker="test")
    assert run is not None
    for number in range(frames):
        frame = Upload(
            owner="alice",
            category=Category.FRAMES,
            filename=f"{number}.jpg",
            job_id=job.id,
            parent_id=source.id,
            place=Place(role="frame", ordinal=number, fence=run.fence),
            run=run.folder_name,
        )
        await runtime.files.uploads.store_file(frame, chunks(b"a frame"))
    results = [NewResult(kind="probe", data={"width": 64}, file_id=source.id)]
    await runtime.jobs.attempts.complete(job.id, fence=run.fence, results=results)
    return (await runtime.jobs.catalog.get(job.id, owner="alice"))[0]


async def instant(runtime: Runtime, later: timedelta) -> datetime:
    return await runtime.db.now() + later
