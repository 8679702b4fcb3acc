"""`media-analysis job`: create analyses, look at them, stop them, and read what they brought."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analysis.cli import job_cancel, job_products, job_removal, job_watch
from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, instant, out, report, say
from media_analysis.cli.grammar import IdPart, parse_span, refused
from media_analysis.cli.ids import JobId, id_option
from media_analysis.cli.job_desk import IsLocal, open_desk
from media_analysis.cli.tables import tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.jobs.status import JobStatus

if TYPE_CHECKING:
    from media_analysis.client.answers import Job

app = typer.Typer(help="Create analysis jobs, look at them, stop them.", no_args_is_help=True, add_completion=False)
app.command("cancel")(job_cancel.cancel)
app.command("watch")(job_watch.watch)
app.command("files")(job_products.files)
app.command("results")(job_products.results)
app.command("delete")(job_removal.delete)


@app.command("create")
def create(
    kind: Annotated[str, typer.Argument(help="Such as probe, frames, contact_sheet or analyze", show_default=False)],
    *,
    source: Annotated[
        list[IdPart] | None,
        id_option("--source", "A file to analyse; may be repeated"),
    ] = None,
    name: Annotated[str, typer.Option(help="What people call it")] = "from the command line",
    parameters: Annotated[str, typer.Option(metavar="JSON", help="Such as '{\"every_seconds\": 1.0}'")] = "{}",
    priority: Annotated[
        int, typer.Option(help="Higher ones of its owner go first, -100 to 100; above 0 it goes before everybody's")
    ] = 0,
    ttl: Annotated[
        str | None,
        typer.Option(help="Keep its files and results so long after its end, such as 7d", show_default=False),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="Whose job it is [default: its first source's owner]", show_default=False)
    ] = None,
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Queue an analysis of stored files and print the job's id."""
    asked: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "parameters": _object(parameters),
        "priority": priority,
    }
    if ttl is not None:
        asked["ttl_seconds"] = int(parse_span("--ttl", ttl).total_seconds())

    desk = open_desk(is_local=local, data_dir=data_dir, config=config)
    job = desk.create(asked, sources=source or (), owner=owner)
    report(f"queued {job.kind} for {job.owner}; media-analysis job watch {job.id}")
    say(str(job.id))


@app.command("list")
def list_jobs(
    *,
    status: Annotated[
        list[JobStatus] | None, typer.Option(help="Only of this status; may be repeated", show_default=False)
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind", show_default=False)] = None,
    owner: Annotated[str | None, typer.Option(help="Only of this owner", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, newest first")] = 20,
    as_json: AsAnswered = False,
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the latest jobs."""
    desk = open_desk(is_local=local, data_dir=data_dir, config=config)
    jobs, is_more = desk.list(statuses=[each.value for each in status or ()], kind=kind, owner=owner, limit=limit)
    if as_json:
        out.print_json(json.dumps([dict(job.document) for job in jobs]))
    else:
        tabulate(
            ("job", "created", "kind", "status", "owner", "name"),
            [(job.id, job.created_at, job.kind, _status(job), job.owner, job.name) for job in jobs],
            empty="there is no job that fits; make one with media-analysis job create",
        )
    if is_more:
        report(f"there are more; the {limit} newest are shown")


@app.command("show")
def show(
    job: JobId,
    *,
    as_json: AsAnswered = False,
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print a job: how far it is, why it failed, how long it is kept."""
    told = open_desk(is_local=local, data_dir=data_dir, config=config).show(job)
    if as_json:
        out.print_json(json.dumps(dict(told.document)))
        return
    for title, text in _described(told):
        say(f"{title:<10} {text}")


@app.command("retry")
def retry(job: JobId, *, local: IsLocal = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Queue a failed job again."""
    say(f"queued {open_desk(is_local=local, data_dir=data_dir, config=config).retry(job).id} again")


def _object(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidRequest("--parameters", f"{text!r} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise refused("--parameters", text, "a JSON object such as '{\"every_seconds\": 1.0}'")
    return found


def _status(job: Job) -> str:
    return f"running, {job.progress:.0%}" if job.status == JobStatus.RUNNING else job.status


def _described(job: Job) -> list[tuple[str, str]]:
    told = [
        ("job", f"{job.id}, {job.kind} of {job.owner}: {job.name}"),
        ("folder", job.folder_name),
        ("status", f"{job.status}, {job.progress:.0%}" + (f", {job.stage}" if job.stage else "")),
        ("error", f"{job.error.code}: {job.error.detail}" if job.error else ""),
        *(("warning", f"{warning.code}: {warning.detail}") for warning in job.warnings),
        ("parameters", json.dumps(job.parameters)),
        *(("source", str(file_id)) for file_id in job.source_file_ids),
        ("created", instant(job.created_at)),
        ("started", instant(job.started_at)),
        ("ended", instant(job.completed_at)),
        ("attempts", f"{job.attempts}" + (f", last on {job.worker}" if job.worker else "")),
        ("retry at", instant(job.retry_at)),
        ("expires", instant(job.expires_at, "its files as their categories say")),
        ("held", (job.hold_reason or "yes") if job.held else ""),
    ]
    return [(title, text) for title, text in told if text]
