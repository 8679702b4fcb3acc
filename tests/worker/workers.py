"""Workers as processes of their own, to be stopped and killed, and what is to be known of their jobs."""

import asyncio
import os
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from media_analysis.files.models import MediaFile
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from media_analysis.worker.service import WorkerOptions
from tests.cli.commands import clean
from tests.conftest import fetch
from tests.processes import ROOT, Process, start
from tests.worker import plugin

READY_SECONDS = 60.0
LOOK_SECONDS = 0.03
"""To look takes a tenth of that, of a core on which what is waited for would run."""
HEARTBEAT = timedelta(seconds=1)
PIECES = [("piece", 0, "stored"), ("piece", 1, "stored")]
"""The outputs of a job that made two."""
ENDED = frozenset({"completed", "failed", "cancelled"})
_JOBS = "SELECT id, status::text, error_code, error, attempts, fence, worker FROM analysis_jobs ORDER BY id"
_OUTPUTS = """
    SELECT role, ordinal, job_fence, state::text FROM media_files WHERE job_id = $1 ORDER BY role, ordinal
"""


def plug_in(folder: Path) -> Path:
    """Lay the plugin's metadata into a folder, as an installer would, and return what to put on the path."""
    metadata = folder / "tiny-1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (metadata / "METADATA").write_text(plugin.METADATA)
    (metadata / "entry_points.txt").write_text(plugin.ENTRY_POINTS)
    return folder


@dataclass
class WorkerProcess:
    """A running `media-analysis work`; everything it prints goes to one file."""

    process: Process
    printed: Path

    @property
    def output(self) -> str:
        return self.printed.read_text()

    async def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of what it prints."""
        async with asyncio.timeout(READY_SECONDS):
            while (found := re.search(pattern, self.output)) is None:
                assert self.process.returncode is None, self.output
                await asyncio.sleep(0.01)
        return found

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and return how it ended."""
        self.process.send_signal(number)
        async with asyncio.timeout(READY_SECONDS):
            return await self.process.ended()


@asynccontextmanager
async def working(
    environment: Mapping[str, str], folder: Path, *arguments: str, ready: bool = True, command: str = "work"
) -> AsyncIterator[WorkerProcess]:
    """Start a worker with the plugin installed; whatever became of it, it is over when the block ends."""
    printed = folder / f"worker-{time.monotonic_ns()}"
    importable = os.pathsep.join([str(plug_in(folder / "plugins")), str(ROOT)])
    about = clean({**environment, "PYTHONPATH": importable, "MEDIA_ANALYSIS_TESTING": "1"})
    with (
        printed.open("wb") as output,
        start(command, *arguments, environment=about, stdout=output, stderr=output) as process,
    ):
        worker = WorkerProcess(process, printed)
        try:
            if ready:
                await worker.wait_for(r"ready:? .+\n")
            yield worker
        finally:
            process.kill()


def options(**chosen: Any) -> WorkerOptions:
    """Return the options of a worker with a short heartbeat that hands its jobs back when it is told to stop."""
    about: dict[str, Any] = {"kinds": ["tiny", "probe"], "heartbeat": HEARTBEAT, "grace": timedelta()}
    return WorkerOptions(**(about | chosen))


async def queue_job(runtime: Runtime, source: MediaFile, **parameters: Any) -> AnalysisJob:
    """Create a job of the plugin's kind."""
    asked = NewJob(owner="alice", name="n", kind="tiny", source_file_ids=[source.id], parameters=parameters)
    return await runtime.jobs.control.create(asked)


async def jobs_of(database: str) -> dict[UUID, dict[str, Any]]:
    return {row["id"]: dict(row) for row in await fetch(database, _JOBS)}


async def outputs_of(database: str, job: AnalysisJob) -> list[tuple[str, int, str]]:
    """Return role, ordinal and state of every file of a job."""
    return [(row["role"], row["ordinal"], row["state"]) for row in await fetch(database, _OUTPUTS, job.id)]


async def until(reached: Callable[[], Awaitable[bool]], *, seconds: float = READY_SECONDS) -> float:
    """Wait until something is so, and return how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await reached():  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - began


async def until_ended(database: str, *, seconds: float = READY_SECONDS) -> dict[UUID, dict[str, Any]]:
    """Return the jobs as soon as all have ended."""

    async def ended() -> bool:
        return all(job["status"] in ENDED for job in (await jobs_of(database)).values())

    await until(ended, seconds=seconds)
    return await jobs_of(database)


async def until_status(database: str, job: AnalysisJob, status: str, *, seconds: float = READY_SECONDS) -> float:
    async def so() -> bool:
        return bool((await jobs_of(database))[job.id]["status"] == status)

    return await until(so, seconds=seconds)


async def until_attempts(database: str, job: AnalysisJob, attempts: int) -> None:
    async def so() -> bool:
        return bool((await jobs_of(database))[job.id]["attempts"] == attempts)

    await until(so)


async def open_jobs(database: str) -> list[tuple[str, str]]:
    """Return kind and status of all jobs that wait or run, the oldest first."""
    query = "SELECT kind, status::text FROM analysis_jobs WHERE status IN ('pending', 'running') ORDER BY id"
    return [(row["kind"], row["status"]) for row in await fetch(database, query)]


async def until_discarded(database: str, job: AnalysisJob) -> None:
    """Wait until nothing is left of what a run that was stopped had staged."""

    async def gone() -> bool:
        return await outputs_of(database, job) == []

    await until(gone)


def statuses(jobs: Mapping[UUID, Mapping[str, Any]]) -> Counter[str]:
    return Counter(job["status"] for job in jobs.values())


def children_of(process: int) -> list[int]:
    """Return the processes in which a worker's tasks run: its zygote has forked them."""
    zygotes = [child for child in _forked_by(process) if b"child.zygote" in _told_of(child, "cmdline")]
    return [child for zygote in zygotes for child in _forked_by(zygote)]


def _forked_by(process: int) -> list[int]:
    return [int(child) for child in _told_of(process, f"task/{process}/children").split()]


def _told_of(process: int, what: str) -> bytes:
    """Return what the kernel tells of a process, nothing of one that is gone."""
    try:
        return Path(f"/proc/{process}/{what}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def runs(process: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False
