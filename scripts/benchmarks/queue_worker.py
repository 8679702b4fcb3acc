"""One worker of the queue's benchmark, a process of its own: it opens what it needs, waits for a line, and works.

`python -m scripts.benchmarks.queue_worker product|confined DIRECTORY URL CONCURRENCY`
"""

import asyncio
import sys
from dataclasses import fields
from pathlib import Path

import uvloop

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.attempts.execution import Execution, TaskOutcome
from media_analysis.runtime import open_runtime
from media_analysis.settings import load_settings
from media_analysis.telemetry.logs import configure_logging
from media_analysis.worker.service import WorkerOptions, running_worker
from scripts.benchmarks.empty import EMPTY
from scripts.benchmarks.queue_peer import begin
from scripts.benchmarks.stage import ENVIRONMENT


class EmptyExecution(Execution):
    """All of a run but its analysis: no child is started."""

    async def _analyse(self, run: Attempt) -> TaskOutcome:
        del run
        return TaskOutcome([], 0)


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


def main() -> None:
    way, directory, url, concurrency = sys.argv[1:]
    configure_logging(style="console", level="WARNING")
    uvloop.run(work(Path(directory), url, int(concurrency), confined=way == "confined"))


if __name__ == "__main__":
    main()
