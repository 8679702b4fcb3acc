"""`media-analysis records`: what the service writes down itself, how long that is kept, and keeping it elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analysis.characters import escape_controls
from media_analysis.cli.console import AsJson, ConfigFile, DataDir, json_instant, load, out, run, say
from media_analysis.cli.grammar import INSTANT, parse_instant
from media_analysis.cli.services import with_services
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.units import format_lifetime

if TYPE_CHECKING:
    from datetime import timedelta

    from media_analysis.records.service import RecordLife
    from media_analysis.runtime import Runtime

app = typer.Typer(
    help="Show how long the service keeps its own records, end those whose time is over, and export them before.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("list")
def list_lives(*, as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print every kind of record, how long it is kept, and how much there is of it."""

    async def work(runtime: Runtime) -> Sequence[RecordLife]:
        return await runtime.records.list()

    lives = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        out.print_json(json.dumps([_document(life) for life in lives]))
        return
    tabulate(
        ("records", "kept for", "about", "bytes", "oldest", "ended", "ended before"),
        [
            (
                *(life.name, _told(life.life, life.setting)),
                life.table_records,
                None if life.table_bytes is None else SizeCell(life.table_bytes),
                *(life.oldest_at, life.ended, life.ended_before),
            )
            for life in lives
        ],
    )


@app.command("end")
def end(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would end")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """End all records whose time is over now, as the scheduler does every hour."""

    async def work(runtime: Runtime) -> Mapping[str, int]:
        return await (runtime.records.rehearse() if dry_run else runtime.records.end())

    ended = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        out.print_json(json.dumps({"dry_run": dry_run, "ended": ended}))
        return
    kinds = [f"{records} of {name}" for name, records in ended.items() if records]
    say(f"{sum(ended.values())} records {'would end' if dry_run else 'ended'}{': ' if kinds else ''}{', '.join(kinds)}")


@app.command("export")
def export(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="tombstones (deletions), audit (acts) or jobs")],
    *,
    since: Annotated[str | None, typer.Option("--since", help=f"From then on: {INSTANT}")] = None,
    before: Annotated[str | None, typer.Option("--before", help="Earlier than that, at least 5 minutes ago")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Write what must outlive the service's own records to standard output, one JSON object a line, oldest first.

    The lines are whole if the exit code is 0.
    """
    from media_analysis.records.export import Exportable, ExportService

    if kind not in set(Exportable):
        raise InvalidRequest("KIND", f"one of {', '.join(Exportable)}")
    bounds = (
        None if since is None else parse_instant("--since", since),
        None if before is None else parse_instant("--before", before),
    )

    async def work(runtime: Runtime) -> None:
        exporting = ExportService(runtime.db)
        async for page in exporting.pages(Exportable(kind), *await exporting.range(*bounds)):
            sys.stdout.writelines(f"{escape_controls(json.dumps(document, ensure_ascii=False))}\n" for document in page)
        sys.stdout.flush()

    run(with_services(load(config, data_dir).settings, work))


def _told(life: timedelta | None, setting: str | None) -> str:
    return "their own time" if setting is None else format_lifetime(life)


def _document(life: RecordLife) -> dict[str, Any]:
    return {
        "name": life.name,
        "table": life.table,
        "setting": life.setting,
        "life_seconds": None if life.life is None else life.life.total_seconds(),
        "table_records": life.table_records,
        "table_bytes": life.table_bytes,
        "oldest_at": json_instant(life.oldest_at),
        "ended_before": json_instant(life.ended_before),
        "ended": life.ended,
    }
