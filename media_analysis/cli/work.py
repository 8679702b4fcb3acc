"""`media-analysis work`: run jobs on this machine, beside a running service or far from it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Final

import typer

from media_analysis.cli.console import ConfigFile, DataDir, at_interruption, load, report, run
from media_analysis.errors import Misconfigured

if TYPE_CHECKING:
    from media_analysis.settings import Settings

CLEANUP_SECONDS: Final = 30
"""How long everything may take to let go after the time of grace."""


def work(
    concurrency: Annotated[
        int | None, typer.Option(help="How many jobs at the same time [default: 1]", show_default=False)
    ] = None,
    kinds: Annotated[
        str | None, typer.Option(help="Only jobs of these kinds, separated by commas", show_default=False)
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve /metrics there, for Prometheus; 0 is any", show_default=False),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="The address for that")] = "127.0.0.1",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Run jobs until ^C; those that run then may end within WORKER_GRACE_SECONDS, or go to another worker.

    It needs the service's database and the service's store, on the same path.
    """
    settings = load(config, data_dir, narrate=True, worker={"concurrency": concurrency}).settings
    exposed = None if metrics_port is None else (metrics_host, metrics_port)
    run(_work(settings, _listed(kinds), exposed))


def _listed(kinds: str | None) -> list[str]:
    if kinds is None:
        return []
    chosen = [kind.strip() for kind in kinds.split(",")]
    if not all(chosen):
        raise Misconfigured(f"--kinds is {kinds!r}; allowed: kinds separated by commas, such as probe,frames")
    return chosen


async def _work(settings: Settings, kinds: list[str], exposed: tuple[str, int] | None) -> None:
    import asyncio

    from media_analysis.runtime import open_runtime
    from media_analysis.settings.postgres import database_url
    from media_analysis.telemetry.traces import traces
    from media_analysis.worker.service import WorkerOptions, running_worker

    options = WorkerOptions.of(settings, kinds)
    report(f"data directory {settings.data_dir.resolve()}")
    async with (
        traces("media-analysis-worker"),
        database_url(settings, report=report) as url,
        open_runtime(settings, url, serves=False) as runtime,
    ):
        with nullcontext() if exposed is None else runtime.metrics.exposed(*exposed) as port:
            if exposed is not None:
                report(f"metrics at http://{exposed[0]}:{port}/metrics")
            async with running_worker(runtime, options) as worker:
                interrupted = asyncio.Event()

                def interrupt() -> None:
                    interrupted.set()
                    worker.interrupt()

                at_interruption(interrupt, within_seconds=settings.worker.grace_seconds + CLEANUP_SECONDS)
                report(f"ready: {options.concurrency} at once of {', '.join(options.kinds)}, as {worker.name}")
                await interrupted.wait()
                report("stopping")
