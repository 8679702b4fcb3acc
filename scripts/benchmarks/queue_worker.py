"""One worker of the queue's benchmark, a process of its own: it opens what it needs, waits for a line, and works.

`python -m scripts.benchmarks.queue_worker bare|product|confined DIRECTORY URL CONCURRENCY`
"""

import asyncio
import sys
from dataclasses import fields
from pathlib import Path

import asyncpg
import uvloop
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job

from media_analysis.db.queue import QUEUE, queue_on
from media_analysis.jobs.attempts.attempt import Attempt, NewResult
from media_analysis.jobs.attempts.execution import Execution
from media_analysis.runtime import open_runtime
from media_analysis.settings import load_settings
from media_analysis.telemetry.logs import configure_logging
from media_analysis.worker.service import WorkerOptions, running_worker
from scripts.benchmarks.empty import EMPTY
from scripts.benchmarks.stage import ENVIRONMENT


class EmptyExecution(Execution):
    """All of a run but its analysis: no child is started."""

    async def _analyse(self, run: Attempt) -> list[NewResult]:
        del run
        return []


async def work_bare(url: str, concurrency: int) -> None:
    """Run entries as the library does by itself: no job row, no fence, no event."""
    connection = await asyncpg.connect(url)
    queries = queue_on(AsyncpgDriver(connection))
    manager = QueueManager(queries, channel=QUEUE.channel)

    @manager.entrypoint(EMPTY)
    async def run(_job: Job) -> None: ...

    await begin()
    await manager.run(batch_size=concurrency)


async def work(directory: Path, url: str, concurrency: int, *, confined: bool) -> None:
    """Run jobs as `media-analysis work` does."""
    settings = load_settings({"data_dir": directory}, environ=ENVIRONMENT).settings
    async with open_runtime(settings, url, serves=False) as runtime:
        if not confined:
            parts = {part.name: getattr(runtime.jobs.execution, part.name) for part in fields(Execution)}
            vars(runtime)["execution"] = EmptyExecution(**parts)
        await begin()
        async with running_worker(runtime, url, WorkerOptions(kinds=[EMPTY], concurrency=concurrency)):
            await asyncio.Event().wait()


async def begin() -> None:
    """Say that all is ready, and wait for the start."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    way, directory, url, concurrency = sys.argv[1:]
    configure_logging(style="console", level="WARNING")
    if way == "bare":
        uvloop.run(work_bare(url, int(concurrency)))
    else:
        uvloop.run(work(Path(directory), url, int(concurrency), confined=way == "confined"))


if __name__ == "__main__":
    main()
