"""`media-analysis watch`: what happens on a server, as it happens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import report, say
from media_analysis.cli.exits import CommandRefused
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import id_argument
from media_analysis.cli.job_display import JobDisplay
from media_analysis.cli.ls import OfCategory, OfLabels
from media_analysis.cli.remote import open_client
from media_analysis.cli.remote_ids import remote_job_id
from media_analysis.cli.transfers import print_line
from media_analysis.units import round_size

if TYPE_CHECKING:
    from uuid import UUID

    from media_analysis.client import Client, Event
    from media_analysis.storage.category import Category


def watch(
    job: Annotated[IdPart | None, id_argument("A job, unless everything is meant")] = None,
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only such as file.stored, file.* or job.completed; repeat for more"),
    ] = None,
    category: OfCategory = None,
    label: OfLabels = None,
    after: Annotated[
        str | None,
        typer.Option(metavar="EVENT", help="Behind this event, or 0 for all that is kept [default: from now on]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event")] = False,
) -> None:
    """Show what happens to files and jobs until ^C, or how one job goes until it has ended.

    Of a job the exit code is 0 when it completed and 1 when it did not. A line that breaks is taken up again: nothing
    is missed, and nothing shown twice.
    """
    is_narrowed = bool(kind or label) or category is not None or after is not None
    if job is not None and is_narrowed:
        raise CommandRefused("name a job, or what to see of everything; one of the two", 2)
    with open_client() as client:
        if job is None:
            _follow_all(client, kind or (), category, label, after, as_json=as_json)
        elif follow_job(client, remote_job_id(client, job), as_json=as_json) != "completed":
            raise typer.Exit(1)


def follow_job(client: Client, job_id: UUID, *, as_json: bool = False) -> str | None:
    """Show every event of a job up to its end, and return its last status."""
    job = client.job(job_id)
    report(f"job {job.id}: {job.kind}, {job.name}")
    if as_json:
        for event in client.job_events(job_id):
            _print_json(event)
        return client.job(job_id).status
    with JobDisplay() as display:
        for event in client.job_events(job_id):
            display.tell(event.kind, event.data, _moment(event))
    return display.status or job.status


def _follow_all(
    client: Client,
    types: Sequence[str],
    category: Category | None,
    labels: list[str] | None,
    after: str | None,
    *,
    as_json: bool,
) -> None:
    chosen = None if category is None else category.value
    for event in client.events(types=types, category=chosen, labels=labels, after=after):
        if as_json:
            _print_json(event)
        elif event.kind == "reset":
            report(str(event.data.get("detail", "some events are kept no more")))
        else:
            say(_sentence(event))


def _sentence(event: Event) -> str:
    """Return an event as a line: when, what, which file or job, and what is known of it."""
    known = event.data.get("data", {})
    size = known.get("size_bytes")
    told = (
        known.get("filename") or known.get("name"),
        round_size(size) if isinstance(size, int) else None,
        known.get("rule"),
        f"by {known['actor']}" if known.get("actor") else None,
        ", ".join(known.get("changed") or ()),
    )
    what = event.data.get("file_id") or event.data.get("job_id") or ""
    return f"{_moment(event):%H:%M:%S} {event.kind:<14} {what}  {' '.join(str(part) for part in told if part)}".rstrip()


def _moment(event: Event) -> datetime:
    at = event.data.get("at")
    return datetime.fromisoformat(at) if isinstance(at, str) else datetime.now(UTC)


def _print_json(event: Event) -> None:
    """Print a line at once: whoever reads the pipe waits for it."""
    print_line(json.dumps({"id": event.id, "event": event.kind, **event.data}))
