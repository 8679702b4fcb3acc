"""A program that runs jobs beside uploads on the loop of the service; its environment is the service's.

`python -m tests.jobs.jobs_beside_uploads FILM JOBS` prints how the jobs ended.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings, load_settings
from media_analysis.storage.category import Category
from tests.claims import run_job
from tests.conftest import chunks

UPLOADERS = 4


async def main(settings: Settings, film: bytes, jobs: int) -> None:
    assert settings.database.url is not None
    async with open_runtime(settings, settings.database.url.get_secret_value()) as runtime:
        uploading = [asyncio.create_task(upload_on_and_on(runtime)) for _ in range(UPLOADERS)]
        source = await runtime.files.uploads.store_file(upload("film.mp4"), chunks(film))
        for _ in range(jobs):
            asked = NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id])
            job = await runtime.jobs.control.create(asked)
            print(repr(await run_job(runtime, job.id)), flush=True)  # noqa: T201
        for task in uploading:
            task.cancel()
        await asyncio.wait(uploading)


async def upload_on_and_on(runtime: Runtime) -> None:
    while True:
        await runtime.files.uploads.store_file(upload("beside.bin"), chunks(b"uploaded beside" * 1000))


def upload(filename: str) -> Upload:
    return Upload(owner="alice", category=Category.UPLOADS, filename=filename)


if __name__ == "__main__":
    uvloop.run(main(load_settings().settings, Path(sys.argv[1]).read_bytes(), int(sys.argv[2])))
