"""`media-analysis purge`: deletions whose bytes would not go, listed and tried again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from media_analysis.cli.console import AsJson, ConfigFile, DataDir, load, out, report, run, say
from media_analysis.cli.grammar import IdPart, parse_id
from media_analysis.cli.ids import purge_id
from media_analysis.cli.services import with_services
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from media_analysis.deletion.dead_letters import DeadLetter
    from media_analysis.runtime import Runtime

app = typer.Typer(
    help="List deletions that were given up, and try them again.", no_args_is_help=True, add_completion=False
)


@app.command("list")
def list_purges(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the latest first")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the deletions that were given up after repeated failures (dead letters), and why."""
    from media_analysis.deletion.dead_letters import DeadLetterService

    async def work(runtime: Runtime) -> Sequence[DeadLetter]:
        return await DeadLetterService(runtime.db).list(limit=limit)

    found = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        out.print_json(json.dumps([_document(letter) for letter in found]))
        return
    tabulate(
        ("purge", "given up", "files", "bytes", "tries", "first object", "last error"),
        [
            (
                *(letter.id, letter.dead_at, letter.files, SizeCell(letter.size_bytes), letter.attempts),
                *(letter.first_key, letter.last_error),
            )
            for letter in found
        ],
        empty="no deletion was given up",
        piped=("first object",),
    )


@app.command("retry")
def retry(
    purges: Annotated[
        list[IdPart] | None,
        typer.Argument(metavar="[ID]...", help="Only these, as purge list names them", parser=parse_id),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Let the next sweep try again to remove what was given up, once its cause is mended; exit code 1 if none is."""
    from media_analysis.deletion.dead_letters import DeadLetterService

    if bool(purges) is everything:
        raise InvalidRequest("ID", "give the ids of purges, or --all")

    async def work(runtime: Runtime) -> Sequence[UUID]:
        ids = [await purge_id(runtime, part) for part in purges or ()]
        return await DeadLetterService(runtime.db).retry(None if everything else ids)

    tried = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        out.print_json(json.dumps({"retried": [str(purge) for purge in tried]}))
    else:
        say(f"{len(tried)} deletions are to be tried again")
    if tried:
        report("the next sweep tries them, within 15 minutes; now: media-analysis sweep")
    elif purges:
        raise typer.Exit(1)


def _document(letter: DeadLetter) -> dict[str, str | int | None]:
    return {
        "id": str(letter.id),
        "dead_at": letter.dead_at.isoformat(),
        "files": letter.files,
        "size_bytes": letter.size_bytes,
        "attempts": letter.attempts,
        "first_key": letter.first_key,
        "last_error": letter.last_error,
    }
