"""`media-analysis job`: create analyses, look at them, stop them, and read what they brought."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from media_analysis.cli import job_cancel, job_products, job_removal, job_watch
from media_analysis.cli.console import (
    AsAnswered,
    ConfigFile,
    DataDir,
    instant,
    load,
    out,
    print_documents,
    report,
    run,
    say,
)
from media_analysis.cli.grammar import IdPart, parse_span, refused
from media_analysis.cli.ids import JobId, file_id, id_option, job_id
from media_analysis.cli.services import with_services
from media_analysis.cli.tables import tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.jobs.status import JobStatus

if TYPE_CHECKING:
    from media_analysis.jobs.models import AnalysisJob
    from media_analysis.jobs.service import JobPage, JobView
    from media_analysis.runtime import Runtime

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
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Queue an analysis of stored files and print the job's id."""
    asked = {
        "kind": kind,
        "name": name,
        "parameters": _object(parameters),
        "priority": priority,
    }
    if ttl is not None:
        asked["ttl_seconds"] = int(parse_span("--ttl", ttl).total_seconds())

    async def work(runtime: Runtime) -> AnalysisJob:
        sources = [await file_id(runtime, part) for part in source or ()]
        whose = owner or await _owner_of(runtime, sources)
        wanted = _checked(runtime, {**asked, "source_file_ids": list(map(str, sources))})
        return await runtime.jobs.control.create(wanted.asked(whose, by_administrator=True))

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
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the latest jobs."""
    from media_analysis.jobs.queries import JobFilter

    wanted = JobFilter(owner=owner, statuses=status or (), kind=kind)

    async def work(runtime: Runtime) -> JobPage:
        return await runtime.jobs.catalog.list(wanted, before=None, limit=limit)

    page = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        from media_analysis.api.schemas.jobs import JobRead

        print_documents(map(JobRead.from_view, page.views))
    else:
        jobs = [view.job for view in page.views]
        tabulate(
            ("job", "created", "kind", "status", "owner", "name"),
            [(job.id, job.created_at, job.kind, _status(job), job.owner, job.name) for job in jobs],
            empty="there is no job that fits; make one with media-analysis job create",
        )
    if page.next_before is not None:
        report(f"there are more; the {limit} newest are shown")


@app.command("show")
def show(job: JobId, *, as_json: AsAnswered = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print a job: how far it is, why it failed, how long it is kept."""

    async def work(runtime: Runtime) -> JobView:
        return await runtime.jobs.catalog.view(await job_id(runtime, job), owner=None)

    view = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        from media_analysis.api.schemas.jobs import JobRead

        out.print_json(JobRead.from_view(view).model_dump_json())
        return
    for title, text in _described(view):
        say(f"{title:<10} {text}")


@app.command("retry")
def retry(job: JobId, *, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Queue a failed job again."""

    async def work(runtime: Runtime) -> AnalysisJob:
        return await runtime.jobs.control.retry(await job_id(runtime, job), owner=None)

    say(f"queued {run(with_services(load(config, data_dir).settings, work)).id} again")


def _object(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidRequest("--parameters", f"{text!r} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise refused("--parameters", text, "a JSON object such as '{\"every_seconds\": 1.0}'")
    return found


def _checked(runtime: Runtime, asked: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    from media_analysis.api.schemas.job_requests import job_request

    try:
        return TypeAdapter(job_request(runtime.jobs.kinds)).validate_python(asked)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = ".".join(str(part) for part in wrong["loc"][1:]) or "job"
        raise InvalidRequest(field, str(wrong["msg"]).removeprefix("Value error, ")) from error


async def _owner_of(runtime: Runtime, sources: Sequence[UUID]) -> str:
    if not sources:
        raise InvalidRequest("--owner", "a job without a source needs an owner; give one, or a --source FILE_ID")
    return (await runtime.files.catalog.get(sources[0], owner=None)).owner


def _status(job: AnalysisJob) -> str:
    return f"running, {job.progress:.0%}" if job.status is JobStatus.RUNNING else job.status.value


def _described(view: JobView) -> list[tuple[str, str]]:
    job = view.job
    held = job.is_held(view.at)
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
