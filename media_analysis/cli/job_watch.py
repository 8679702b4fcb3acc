"""`media-analysis job watch`: follow a job to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, report
from media_analysis.cli.ids import JobId
from media_analysis.cli.job_desk import IsLocal, open_desk
from media_analysis.cli.job_display import JobDisplay
from media_analysis.jobs.status import JobStatus

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime

PATIENCE_SECONDS: Final = 60.0


def watch(job: JobId, *, local: IsLocal = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Show how a job goes until it has ended; exit code 0 when it completed, 1 when it failed or was cancelled."""
    if open_desk(is_local=local, data_dir=data_dir, config=config).watch(job) != JobStatus.COMPLETED:
        raise typer.Exit(1)


async def follow(runtime: Runtime, watched: UUID) -> str | None:
    """Show every event of a job up to its end and return its last status; a database that goes away is waited for.

    Raises:
        JobNotFound, JobGone: there is no such job.

    """
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
