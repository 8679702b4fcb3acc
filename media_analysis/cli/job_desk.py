"""Where commands about jobs act, the database of this machine or a server, and what they can ask for there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import typer

from media_analysis.cli.console import report
from media_analysis.cli.exits import CommandRefused
from media_analysis.cli.remote import URL_VARIABLE, find_server, read_login, warn_of_plain

if TYPE_CHECKING:
    from media_analysis.cli.grammar import IdPart
    from media_analysis.cli.remote import Server
    from media_analysis.client.answers import File, Job, JobRemoval, JobResult

LOCAL_VARIABLES: Final = ("DATABASE_URL", "MEDIA_ANALYSIS_DATA_DIR", "MEDIA_ANALYSIS_CONFIG")
IsLocal = Annotated[
    bool, typer.Option("--local", help="On the database of this machine, whatever server one is signed in at")
]


class JobDesk(Protocol):
    """Takes what is asked about jobs, and answers as the API does."""

    def create(self, asked: Mapping[str, Any], *, sources: Sequence[IdPart], owner: str | None) -> Job:
        """Queue a job."""

    def list(
        self, *, statuses: Sequence[str], kind: str | None, owner: str | None, limit: int
    ) -> tuple[Sequence[Job], bool]:
        """Return the latest jobs that fit, and whether there are more."""

    def show(self, job: IdPart) -> Job:
        """Return a job."""

    def retry(self, job: IdPart) -> Job:
        """Queue a failed job again."""

    def cancel(self, job: IdPart) -> Job:
        """Stop a job."""

    def cancel_waiting(self, *, kind: str | None, owner: str | None) -> int:
        """Stop all jobs that wait and fit, and return how many."""

    def watch(self, job: IdPart) -> str | None:
        """Show how a job goes to its end, and return its last status."""

    def files(self, job: IdPart, *, category: str | None) -> Sequence[File]:
        """Return what a job made, in time order."""

    def results(self, job: IdPart, *, kind: str | None) -> Sequence[JobResult]:
        """Return the documents that a job brought."""

    def delete(self, job: IdPart, *, reason: str | None, hard: bool, secure: bool, dry_run: bool) -> JobRemoval:
        """Delete a job with what it made, or say what would go."""

    def undo(self, told: JobRemoval) -> str:
        """Return what brings a deleted job back."""


def open_desk(*, is_local: bool, data_dir: Path | None, config: Path | None) -> JobDesk:
    """Return where a command acts; where that may be a surprise, it is said on standard error.

    Raises:
        CommandRefused: the environment names both.

    """
    server = server_for_jobs(is_local=is_local or data_dir is not None or config is not None)
    if server is not None:
        from media_analysis.cli.job_remote import RemoteDesk

        return RemoteDesk(server)
    from media_analysis.cli.job_local import LocalDesk

    return LocalDesk(config, data_dir)


def server_for_jobs(*, is_local: bool, environ: Mapping[str, str] = os.environ) -> Server | None:
    """Return the server that commands about jobs ask, None where they act on the database of this machine.

    What is named on the command line counts first, then what the environment names, then a login (decision 43).

    Raises:
        CommandRefused: the environment names a server and a database.

    """
    if is_local:
        return None
    here = next((name for name in LOCAL_VARIABLES if environ.get(name, "").strip()), None)
    is_named = bool(environ.get(URL_VARIABLE, "").strip())
    if is_named and here is not None:
        raise CommandRefused(f"{URL_VARIABLE} names a server and {here} this machine; unset one, or say --local", 2)
    if here is not None:
        login = read_login()
        if login is not None:
            report(f"on the database of this machine, as {here} says, not on {login.url}")
        return None
    server = find_server(environ)
    if server is not None:
        if not server.is_login:
            warn_of_plain(server.url)
        report(f"on {server.url}; --local is for the database of this machine")
    return server
