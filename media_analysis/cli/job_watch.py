"""`media-analysis job watch`: follow a job to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, report, run
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import JobId, job_id
from media_analysis.cli.job_display import JobDisplay
from media_analysis.cli.services import open_services

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

PATIENCE_SECONDS: Final = 60.0


def watch(job: JobId, *, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Show how a job goes until it has ended; exit code 0 when it completed, 1 when it failed or was cancelled."""
    from media_analysis.jobs.models import JobStatus

    if run(_watch(load(config, data_dir).settings, job)) != JobStatus.COMPLETED:
        raise typer.Exit(1)


async def _watch(settings: Settings, job: IdPart) -> str | None:
    async with open_services(settings) as runtime:
        return await follow(runtime, await job_id(runtime, job))


async def follow(runtime: Runtime, watched: UUID) -> str | None:
    """Show every event of a job up to its end and return its last status; a database that goes away is waited for.

    Raises:
        JobNotFound, JobGone: there is no such job.

    """
    from media_analysis.jobs.models import JobStatus

    job, _ = await runtime.jobs.catalog.get(watched, owner=None)
    report(f"job {watched}: {job.kind}, {job.name}")
    with JobDisplay() as display:
        async with runtime.jobs.watches.watch(watched) as watching:
            while not watching.over:
                for event in await watching.next(within=PATIENCE_SECONDS):
                    display.tell(event.kind, event.data, event.at)
    if not job.status.is_over and not (display.status and JobStatus(display.status).is_over):
        report("the job was deleted")
    return display.status or job.status
