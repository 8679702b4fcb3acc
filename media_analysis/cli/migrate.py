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
    run(_migrate(load(config, data_dir).settings, to, yes=yes))


async def _migrate(settings: Settings, to: str, *, yes: bool) -> None:
    from media_analysis.db import downgrades, migrations
    from media_analysis.runtime import database_url

    async with database_url(settings, report=report) as url:
        target = await downgrades.resolve_revision(url, to)
        if target.goes_back:
            await downgrades.require_nobody_else(url)
            _confirm(target.revision, await downgrades.list_losses(url, target.revision), yes=yes)
            await downgrades.migrate_back(url, target.revision)
        else:
            await migrations.migrate(url, target.revision)
    report(f"the schema is at {target.revision}")


def _confirm(revision: str, losses: Sequence[str], *, yes: bool) -> None:
    for loss in losses:
        report(f"lost by going back to {revision}: {loss}")
    if not losses or yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Misconfigured(f"going back to {revision} loses what is named above; say --yes if it may, after a backup")
    typer.confirm("Go back all the same?", abort=True, err=True)
