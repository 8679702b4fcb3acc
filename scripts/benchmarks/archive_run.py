"""Runs to be archived: what a film leaves, made once, and stored as the files of a run as often as it is needed."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from scripts.benchmarks.analyze import read_pieces

OWNER = "owner-0"
AT_ONCE = 16
MEDIA_TYPES = {".jpg": None, ".json": "application/json", ".log": "text/plain"}


@dataclass(frozen=True)
class Run:
    """A run that has ended, and the keys of its files."""

    id: UUID
    keys: Sequence[str]


def make_material(folder: Path, *, frame_bytes: int, json_bytes: int, height: int) -> Sequence[Path]:
    """Write frames, documents and a log in a process of its own, so that this one keeps its memory small."""
    sizes = map(str, (frame_bytes, json_bytes, height))
    subprocess.run([sys.executable, "-m", "scripts.benchmarks.archive_film", str(folder), *sizes], check=True)
    return sorted(folder.iterdir())


async def add_run(runtime: Runtime, paths: Sequence[Path]) -> Run:
    """Store files as a worker does whose job they are of."""
    source = await runtime.files.uploads.store_file(
        Upload(owner=OWNER, category=Category.UPLOADS, filename=paths[0].name), read_pieces(paths[0])
    )
    job = await runtime.jobs.control.create(
        NewJob(owner=OWNER, name="bench", kind="probe", source_file_ids=[source.id])
    )
    (claimed,) = (await runtime.jobs.claims.claim([job.kind], worker="bench")).attempts
    room = asyncio.Semaphore(AT_ONCE)

    async def store(number: int, path: Path) -> str:
        frame = path.suffix == ".jpg"
        about: dict[str, Any] = {
            "owner": OWNER,
            "category": Category.FRAMES if frame else Category.OUTPUTS,
            "filename": path.name,
            "declared_type": MEDIA_TYPES[path.suffix],
            "job_id": job.id,
            "place": Place(role="frame" if frame else "output", ordinal=number, fence=claimed.fence),
            "run": claimed.folder_name,
        }
        async with room:
            return (await runtime.files.uploads.store_file(Upload(**about), read_pieces(path))).key

    keys = await asyncio.gather(*(store(number, path) for number, path in enumerate(paths)))
    await runtime.jobs.attempts.complete(job.id, fence=claimed.fence)
    return Run(job.id, keys)
