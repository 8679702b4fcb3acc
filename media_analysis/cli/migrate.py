"""`media-analysis migrate`: bring the database to this version's schema, or back to an earlier one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, report, run
from media_analysis.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from media_analysis.settings import Settings


def migrate(
    *,
    to: Annotated[
        str, typer.Option(metavar="REVISION", help="Where to: head, base, a revision, or a step such as -1 or +1")
    ] = "head",
    yes: Annotated[bool, typer.Option("--yes", help="Go back without asking, whatever that loses")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Bring the database to this version's schema; safe to repeat, and to run on several machines at once.

    Back to an earlier one, for the version before an upgrade, it goes only while nothing else of the service runs. What
    that loses is said first, and asked about unless --yes was given.
    """
    settings = load(config, data_dir).settings
    revision, losses = run(_migrate(settings, to, accepted=None if yes else ()))
    while losses:  # nothing is open while somebody thinks
        _confirm(revision)
        revision, losses = run(_migrate(settings, revision, accepted=losses))
    report(f"the schema is at {revision}")


async def _migrate(settings: Settings, to: str, *, accepted: Sequence[str] | None) -> tuple[str, Sequence[str]]:
    """Migrate, or return what that would lose where it is not what was accepted; None accepts everything."""
    from media_analysis.db import downgrades, migrations
    from media_analysis.settings.postgres import database_url

    async with database_url(settings, report=report) as url:
        target = await downgrades.resolve_revision(url, to)
        if not target.goes_back:
            await migrations.migrate(url, target.revision)
            return target.revision, ()
        await downgrades.require_nobody_else(url)
        losses = await downgrades.list_losses(url, target.revision)
        if losses != accepted:
            for loss in losses:
                report(f"lost by going back to {target.revision}: {loss}")
            if accepted is not None and losses:
                return target.revision, losses
        await downgrades.migrate_back(url, target.revision)
    return target.revision, ()


def _confirm(revision: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Misconfigured(f"going back to {revision} loses what is named above; say --yes if it may, after a backup")
    typer.confirm("Go back all the same?", abort=True, err=True)
