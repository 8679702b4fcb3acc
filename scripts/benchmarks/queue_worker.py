"""One worker of the queue's benchmark, a process of its own: it opens what it needs, waits for a line, and works.

`python -m scripts.benchmarks.queue_worker bare|product|confined DIRECTORY URL CONCURRENCY`
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.attempts.execution import Execution, TaskOutcome
from media_analysis.runtime import open_runtime
from media_analysis.settings import load_settings
from media_analysis.telemetry.logs import configure_logging
from media_analysis.worker.service import WorkerOptions, running_worker
from scripts.benchmarks.empty import EMPTY
from scripts.benchmarks.stage import ENVIRONMENT


@asynccontextmanager
async def open_peer(url: str) -> AsyncIterator[Any]:
    """Yield pgqueuer's statements over a connection of its own; its tables are made if need be."""
    from pgqueuer.adapters.persistence.queries import Queries  # noqa: PLC0415 - a peer that may be absent

    connection = await asyncpg.connect(url)
    try:
        queries = Queries.from_asyncpg_connection(connection)
        if not await queries.schema_is_installed():
            await queries.install()
        yield queries
    finally:
        await connection.close()


class EmptyExecution(Execution):
    """All of a run but its analysis: no child is started."""

    async def _analyse(self, run: Attempt) -> TaskOutcome:
        del run
        return TaskOutcome([], 0)


async def work_bare(url: str, concurrency: int) -> None:
    """Run entries as pgqueuer does by itself: no job row, no fence, no event."""
    from pgqueuer.core.qm import QueueManager  # noqa: PLC0415 - a peer that may be absent

    async def run(_job: object) -> None: ...

    async with open_peer(url) as queries:
        manager: Any = QueueManager(queries)
        manager.entrypoint(EMPTY)(run)
        await begin()
        await manager.run(batch_size=concurrency)


async def work(directory: Path, url: str, concurrency: int, *, confined: bool) -> None:
    """Run jobs as `media-analysis work` does."""
    settings = load_settings({"data_dir": directory}, environ=ENVIRONMENT).settings
    async with open_runtime(settings, url, serves=False) as runtime:
        if not confined:
            parts = {part.name: getattr(runtime.jobs.execution, part.name) for part in fields(Execution)}
            vars(runtime.jobs)["execution"] = EmptyExecution(**parts)
        await begin()
        async with running_worker(runtime, WorkerOptions(kinds=[EMPTY], concurrency=concurrency)):
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
