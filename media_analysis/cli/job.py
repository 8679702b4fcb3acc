"""`media-analysis job`: create analyses, look at them, stop them, and read what they brought."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from media_analysis.cli import job_products, job_removal, job_watch
from media_analysis.cli.console import ConfigFile, DataDir, load, out, report, run, tabulate
from media_analysis.cli.job_terms import JobId, instant, say, with_services
from media_analysis.errors import InvalidRequest
from media_analysis.jobs.status import JobStatus
from media_analysis.units import parse_lifetime

if TYPE_CHECKING:
    from media_analysis.jobs.models import AnalysisJob
    from media_analysis.jobs.service import JobPage, JobView
    from media_analysis.runtime import Runtime

app = typer.Typer(help="Create analysis jobs, look at them, stop them.", no_args_is_help=True, add_completion=False)
app.command("watch")(job_watch.watch)
app.command("files")(job_products.files)
app.command("results")(job_products.results)
app.command("delete")(job_removal.delete)
AsJson = Annotated[bool, typer.Option("--json", help="Print it as the API answers it")]


@app.command("create")
def create(
    kind: Annotated[str, typer.Argument(help="Such as probe, frames, contact_sheet or analyze", show_default=False)],
    *,
    source: Annotated[
        list[UUID] | None,
        typer.Option(metavar="FILE_ID", help="A file to analyse; may be repeated", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="What people call it")] = "from the command line",
    parameters: Annotated[str, typer.Option(metavar="JSON", help="Such as '{\"every_seconds\": 1.0}'")] = "{}",
    priority: Annotated[int, typer.Option(help="Higher ones go first, -100 to 100")] = 0,
    ttl: Annotated[
        str | None,
        typer.Option(help="Keep its files and results so long after its end, such as 7d", show_default=False),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="Whose job it is [default: its first source's owner]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Queue an analysis of stored files and print the job's id."""
    asked = {
        "kind": kind,
        "name": name,
        "source_file_ids": [str(file_id) for file_id in source or ()],
        "parameters": _object(parameters),
        "priority": priority,
    }
    if ttl is not None:
        asked["ttl_seconds"] = _seconds(ttl)

    async def work(runtime: Runtime) -> AnalysisJob:
        whose = owner or await _owner_of(runtime, source or ())
        return await runtime.control.create(_checked(runtime, asked).asked(whose))

    job = run(with_services(load(config, data_dir).settings, work))
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
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the latest jobs."""
    from media_analysis.jobs.queries import JobFilter

    wanted = JobFilter(owner=owner, statuses=status or (), kind=kind)

    async def work(runtime: Runtime) -> JobPage:
        return await runtime.jobs.list(wanted, before=None, limit=limit)

    page = run(with_services(load(config, data_dir).settings, work))
    tabulate(
        ("job", "created", "kind", "name", "owner", "status", "done"),
        [
            (
                *(str(job.id), instant(job.created_at), job.kind, job.name, job.owner),
                *(job.status.value, f"{job.progress:.0%}"),
            )
            for job in (view.job for view in page.views)
        ],
    )
    if page.next_before is not None:
        report(f"there are more; the {limit} newest are shown")


@app.command("show")
def show(job: JobId, *, as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print a job: how far it is, why it failed, how long it is kept."""

    async def work(runtime: Runtime) -> JobView:
        return await runtime.jobs.view(job, owner=None)

    view = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        from media_analysis.api.schemas.jobs import JobRead

        out.print_json(JobRead.from_view(view).model_dump_json())
        return
    for title, text in _described(view):
        say(f"{title:<10} {text}")


@app.command("cancel")
def cancel(job: JobId, *, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Stop a job that waits or runs; what it has made so far goes."""

    async def work(runtime: Runtime) -> AnalysisJob:
        return await runtime.control.cancel(job, owner=None)

    run(with_services(load(config, data_dir).settings, work))
    say(f"cancelled {job}")


@app.command("retry")
def retry(job: JobId, *, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Queue a failed job again."""

    async def work(runtime: Runtime) -> AnalysisJob:
        return await runtime.control.retry(job, owner=None)

    run(with_services(load(config, data_dir).settings, work))
    say(f"queued {job} again")


def _object(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidRequest("--parameters", f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidRequest("--parameters", "must be a JSON object")
    return found


def _seconds(word: str) -> int:
    try:
        span = parse_lifetime(word)
    except ValueError as error:
        raise InvalidRequest("--ttl", str(error)) from error
    if span is None:
        raise InvalidRequest("--ttl", "not a span of time")
    return int(span.total_seconds())


def _checked(runtime: Runtime, asked: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    from media_analysis.api.schemas.job_requests import job_request

    try:
        return TypeAdapter(job_request(runtime.kinds)).validate_python(asked)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = ".".join(str(part) for part in wrong["loc"][1:]) or "job"
        raise InvalidRequest(field, str(wrong["msg"]).removeprefix("Value error, ")) from error


async def _owner_of(runtime: Runtime, sources: Sequence[UUID]) -> str:
    if not sources:
        raise InvalidRequest("--owner", "is needed for a job without a source")
    return (await runtime.files.get(sources[0], owner=None)).owner


def _described(view: JobView) -> list[tuple[str, str]]:
    job = view.job
    held = job.held_until is not None and job.held_until > view.at
    told = [
        ("job", f"{job.id}, {job.kind} of {job.owner}: {job.name}"),
        ("folder", job.folder_name),
        ("status", f"{job.status.value}, {job.progress:.0%}" + (f", {job.stage}" if job.stage else "")),
        ("error", f"{job.error_code}: {job.error}" if job.error else ""),
        *(("warning", f"{warning['code']}: {warning['detail']}") for warning in job.warnings),
        ("parameters", json.dumps(job.parameters)),
        *(("source", str(file_id)) for file_id in view.sources),
        ("created", instant(job.created_at)),
        ("started", instant(job.started_at)),
        ("ended", instant(job.completed_at)),
        ("attempts", f"{job.attempts}" + (f", last on {job.worker}" if job.worker else "")),
        ("retry at", instant(job.retry_at)),
        ("expires", instant(job.expires_at, "its files as their categories say")),
        ("held", (job.hold_reason or "yes") if held else ""),
    ]
    return [(title, text) for title, text in told if text]
