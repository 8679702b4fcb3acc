"""`media-analysis job cancel`: one job, or all that wait and fit."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, say
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import id_argument
from media_analysis.cli.job_desk import IsLocal, open_desk
from media_analysis.errors import InvalidRequest


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
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Stop a job that waits or runs; what it has made so far goes. Or all jobs that wait, after asking.

    With --all-pending either --owner or --everyone says whose. Jobs that were begun meanwhile run on.
    """
    chosen = kind is not None or owner is not None or everyone or yes
    if all_pending == (job is not None) or (job is not None and chosen):
        raise InvalidRequest("ID", "name one job, or say --all-pending with whose jobs are meant")
    desk = open_desk(is_local=local, data_dir=data_dir, config=config)
    if job is not None:
        say(f"cancelled {desk.cancel(job).id}")
        return
    if everyone == (owner is not None):
        raise InvalidRequest("--owner", "name an owner, or say --everyone for the jobs of all; one of the two")
    whose = "everyone" if owner is None else owner
    what = "jobs" if kind is None else f"{kind} jobs"
    _confirm(f"all {what} of {whose} that wait", yes=yes)
    say(f"cancelled {desk.cancel_waiting(kind=kind, owner=owner)} jobs")


def _confirm(what: str, *, yes: bool) -> None:
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InvalidRequest("--yes", f"cancels {what}; say it, for nobody can be asked here")
    typer.confirm(f"Cancel {what}?", abort=True, err=True)
