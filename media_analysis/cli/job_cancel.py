"""`media-analysis job cancel`: one job, or all that wait and fit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, run, say
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import id_argument, job_id
from media_analysis.cli.services import with_services
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings


def cancel(
    job: Annotated[IdPart | None, id_argument("The job, unless all that wait are meant")] = None,
    *,
    all_pending: Annotated[
        bool, typer.Option("--all-pending", help="All jobs that wait and fit, instead of one")
    ] = False,
    kind: Annotated[str | None, typer.Option(help="With --all-pending: only of this kind", show_default=False)] = None,
    owner: Annotated[str | None, typer.Option(help="With --all-pending: whose jobs", show_default=False)] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="With --all-pending: the jobs of all owners")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --all-pending: do not ask before")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Stop a job that waits or runs; what it has made so far goes. Or all jobs that wait, after asking.

    With --all-pending either --owner or --everyone says whose. Jobs that were begun meanwhile run on.
    """
    chosen = kind is not None or owner is not None or everyone or yes
    if all_pending == (job is not None) or (job is not None and chosen):
        raise InvalidRequest("ID", "name one job, or say --all-pending with whose jobs are meant")
    settings = load(config, data_dir).settings
    if job is not None:
        say(f"cancelled {run(with_services(settings, lambda runtime: _cancel_one(runtime, job)))}")
        return
    if everyone == (owner is not None):
        raise InvalidRequest("--owner", "name an owner, or say --everyone for the jobs of all; one of the two")
    whose = "everyone" if owner is None else owner
    what = "jobs" if kind is None else f"{kind} jobs"
    _confirm(f"all {what} of {whose} that wait", yes=yes)
    say(f"cancelled {_cancel_waiting(settings, kind, owner)} jobs")


async def _cancel_one(runtime: Runtime, job: IdPart) -> str:
    return str((await runtime.jobs.control.cancel(await job_id(runtime, job), owner=None)).id)


def _cancel_waiting(settings: Settings, kind: str | None, owner: str | None) -> int:
    from media_analysis.jobs.queries import JobFilter

    wanted = JobFilter(owner=owner, kind=kind)
    return run(with_services(settings, lambda runtime: runtime.jobs.control.cancel_waiting(wanted)))


def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidRequest("--yes", f"cancels {what}; say it, for nobody can be asked here")
    typer.confirm(f"Cancel {what}?", abort=True, err=True)
