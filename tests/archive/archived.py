"""Runs with files of several kinds, archived and restored through the services."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from media_analysis.archive.models import ArchiveTask
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.claims import claim_job
from tests.conftest import chunks

CONTENTS: Mapping[str, bytes] = {
    "frame-1.jpg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 300,
    "frame-2.jpg": b"\xff\xd8\xff\xe0" + bytes(reversed(range(256))) * 17,
    "empty.jpg": b"",
    "Übersicht 概要.json": b'{"brightness": [' + b"0.5, " * 5000 + b"1]}",
    "run.log": b"2026-11-21 02:00:00 a line of the log\n" * 2000,
}


@dataclass
class Run:
    """A run that has ended, its files by name, and their contents."""

    job: AnalysisJob
    files: dict[str, MediaFile]
    contents: dict[str, bytes]

    @property
    def id(self) -> UUID:
        return self.job.id


async def make_run(
    runtime: Runtime, contents: Mapping[str, bytes] = CONTENTS, *, owner: str = "alice", **about: Any
) -> Run:
    """Return a run whose worker made these files, and one result."""
    source = await runtime.files.uploads.store_file(
        Upload(owner=owner, category=Category.UPLOADS, filename="film.mp4"), chunks(b"a film")
    )
    job = await runtime.jobs.control.create(
        NewJob(**{"owner": owner, "name": "a run", "kind": "probe", "source_file_ids": [source.id], **about})
    )
    run = await claim_job(runtime, job.id, worker="test")
    assert run is not None
    files: dict[str, MediaFile] = {}
    for number, (name, content) in enumerate(contents.items()):
        frame = name.endswith(".jpg")
        upload = Upload(
            owner=owner,
            category=Category.FRAMES if frame else Category.OUTPUTS,
            filename=name,
            declared_type=None if frame else "text/plain",
            job_id=job.id,
            parent_id=source.id if frame else None,
            place=Place(role="frame" if frame else "output", ordinal=number, fence=run.fence),
            run=run.folder_name,
            labels={"camera": "north", "number": str(number)} if frame else None,
        )
        files[name] = await runtime.files.uploads.store_file(upload, chunks(content))
    results = [NewResult(kind="probe", data={"width": 64, "title": "Übersicht"}, file_id=source.id)]
    await runtime.jobs.attempts.complete(job.id, fence=run.fence, results=results)
    ended, _ = await runtime.jobs.catalog.get(job.id, owner=owner)
    return Run(ended, files, dict(contents))


async def add_file(runtime: Runtime, run: Run, name: str, content: bytes, **about: Any) -> MediaFile:
    """Upload another file into a run that has ended."""
    facts = {"owner": run.job.owner, "category": Category.OUTPUTS, "filename": name, "job_id": run.id, **about}
    stored = await runtime.files.uploads.store_file(Upload(**facts), chunks(content))
    run.files[name], run.contents[name] = stored, content
    return stored


async def archive(runtime: Runtime, job_id: UUID) -> ArchiveTask:
    """Ask for a run to be archived, and work until that has ended."""
    task = await runtime.archives.requests.request_archive(job_id, owner=None, actor="test")
    await runtime.archives.execution.run_waiting()
    return await ended(runtime, task)


async def restore(runtime: Runtime, job_id: UUID, file_id: UUID | None = None) -> ArchiveTask:
    """Ask for a run, or one file of it, to be restored, and work until that has ended."""
    task = await runtime.archives.requests.request_restore(job_id, owner=None, actor="test", file_id=file_id)
    await runtime.archives.execution.run_waiting()
    return await ended(runtime, task)


async def ended(runtime: Runtime, task: ArchiveTask) -> ArchiveTask:
    """Return a task as it is now."""
    async with runtime.db.read_only() as session:
        return await session.get_one(ArchiveTask, task.id)


async def content_of(runtime: Runtime, file_id: UUID) -> bytes:
    """Read a living file."""
    file, reader = await runtime.files.catalog.open(file_id, owner=None)
    return b"".join([chunk async for chunk in reader.read(0, file.size_bytes or 0)])


async def archived_content(runtime: Runtime, job_id: UUID, file_id: UUID) -> bytes:
    """Read a file from inside its archive."""
    opened = await runtime.archives.catalog.open_file(job_id, file_id, owner=None)
    return b"".join([chunk async for chunk in opened.read(0, opened.size_bytes)])
