"""`media-analysis watch`: what happens on a server, as it happens."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from media_analysis.cli.console import report
from media_analysis.cli.ids import JobId
from media_analysis.cli.job_display import JobDisplay
from media_analysis.cli.remote import open_client
from media_analysis.cli.remote_ids import remote_job_id

if TYPE_CHECKING:
    from uuid import UUID

    from media_analysis.client import Client


def watch(job: JobId) -> None:
    """Show how a job of a server goes until it has ended; exit code 0 when it completed, 1 when it did not.

    A line that breaks is taken up again: nothing is missed, and nothing shown twice.
    """
    with open_client() as client:
        status = follow_job(client, remote_job_id(client, job))
    if status != "completed":
        raise typer.Exit(1)


def follow_job(client: Client, job_id: UUID) -> str | None:
    """Show every event of a job up to its end, and return its last status."""
    job = client.job(job_id)
    report(f"job {job.id}: {job.kind}, {job.name}")
    with JobDisplay() as display:
        for event in client.job_events(job_id):
            at = event.data.get("at")
            moment = datetime.fromisoformat(at) if isinstance(at, str) else datetime.now(UTC)
            display.tell(event.kind, event.data, moment)
    return display.status or job.status
