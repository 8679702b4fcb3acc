"""`media-analysis job delete`: a whole job with its files and results, now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, instant, say
from media_analysis.cli.grammar import parse_reason
from media_analysis.cli.ids import JobId
from media_analysis.cli.job_desk import IsLocal, open_desk
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.client.answers import JobRemoval


def delete(
    job: JobId,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would go, and delete nothing")] = False,
    hard: Annotated[bool, typer.Option("--hard", help="For good, also where there is a trash")] = False,
    secure: Annotated[bool, typer.Option("--secure", help="For good, and overwrite the bytes first")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit trail", show_default=False)] = None,
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete a job with its files and results, all of it or nothing; its sources stay.

    A job that waits or runs is cancelled first. Without a trash, or with --hard or --secure, nothing brings it back.
    """
    why = None if reason is None else parse_reason(reason)
    desk = open_desk(is_local=local, data_dir=data_dir, config=config)
    told = desk.delete(job, reason=why, hard=hard, secure=secure, dry_run=dry_run)
    _tell(told, dry_run=dry_run)
    kept = told.restorable_until
    say("for good" if kept is None else f"restorable until {instant(kept)}: {desk.undo(told)}")


def _tell(told: JobRemoval, *, dry_run: bool) -> None:
    """Print what goes or went by category, and the sentence that counts."""
    if told.categories:
        rows = [(category, amount.files, SizeCell(amount.size_bytes)) for category, amount in told.categories.items()]
        tabulate(("category", "files", "bytes"), rows)
    verb = "would delete" if dry_run else "deleted"
    what = f"{told.files} files, {round_size(told.size_bytes)}, and {told.results} results"
    say(f"{verb} {told.job_id} with {what}{_stopped(told, dry_run=dry_run)}")
    for obstacle in _obstacles(told) if dry_run else ():
        say(obstacle)
    if (left := told.remaining) is None or left.files:
        what = "some objects" if left is None else f"{left.files} objects, {round_size(left.size_bytes)},"
        say(f"{what} are still in the store; a running service, or the next sweep, removes them")


def _stopped(told: JobRemoval, *, dry_run: bool) -> str:
    if not told.cancelled:
        return ""
    return "; it would be cancelled first" if dry_run else "; it was cancelled first"


def _obstacles(told: JobRemoval) -> list[str]:
    """Return why a deletion would be refused."""
    found = []
    for obstacle in told.obstacles:
        kept = f"{obstacle.files} files" if obstacle.files else "the job"
        found.append(f"refused now: {obstacle.rule} keeps {kept} until {instant(obstacle.until, 'somebody acts')}")
    return found
