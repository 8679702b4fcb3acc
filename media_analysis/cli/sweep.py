"""`media-analysis sweep`: delete what is due, from the command line or cron."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, err, load, out, report, run, say
from media_analysis.cli.progress import counting_bar
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import Cell, SizeCell, tabulate
from media_analysis.storage.category import Category
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.retention.records import SweepReport, SweepRequest
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings


def sweep(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    category: Annotated[Category | None, typer.Option(help="Only this category", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete what is due, or rehearse it, and print the outcome; exit code 2 when some files could not go."""
    from media_analysis.retention.models import SweepTrigger
    from media_analysis.retention.records import SweepRequest

    request = SweepRequest(
        categories=tuple(Category) if category is None else (category,),
        dry_run=dry_run,
        trigger=SweepTrigger.CLI,
        actor="command line",
    )
    outcome = run(_sweep(load(config, data_dir).settings, request))
    _print(outcome, request, as_json=as_json)
    if outcome.errors:
        raise typer.Exit(2)


async def _sweep(settings: Settings, request: SweepRequest) -> SweepReport:
    async with open_services(settings) as runtime:
        if request.dry_run or not err.is_terminal:
            return await runtime.retention.sweeps.run(request)
        return await _sweep_visibly(runtime, request)


async def _sweep_visibly(runtime: Runtime, request: SweepRequest) -> SweepReport:
    due = await runtime.retention.sweeps.count_due(request)
    with counting_bar() as bar:
        task = bar.add_task("sweeping", total=due)
        return await runtime.retention.sweeps.run(
            request, progress=lambda so_far: bar.update(task, completed=so_far.files + so_far.errors)
        )


def _print(outcome: SweepReport, request: SweepRequest, *, as_json: bool) -> None:
    if as_json:
        from media_analysis.api.schemas.storage import SweepRead

        out.print_json(json.dumps(SweepRead.from_report(outcome, request).model_dump(mode="json")))
        return
    print_outcome(outcome)


def print_outcome(outcome: SweepReport) -> None:
    """Print what a sweep did, category by category, and in one sentence."""
    rows: list[Sequence[Cell]] = [
        (
            *(category.value, tally.files_removed, SizeCell(tally.bytes_freed), tally.errors),
            *((tally.files_trashed, SizeCell(tally.bytes_trashed)) if outcome.files_trashed else ()),
        )
        for category, tally in outcome.tallies.items()
        if tally.files_removed or tally.files_trashed or tally.errors
    ]
    if rows:
        trash = ("to trash", "bytes to trash") if outcome.files_trashed else ()
        tabulate(("category", "files", "bytes", "errors", *trash), rows)
    removed, sent = ("would remove", "would send") if outcome.dry_run else ("removed", "sent")
    said = f"{removed} {outcome.files} files, {round_size(outcome.size_bytes)}"
    if outcome.files_trashed:
        said += f"; {sent} {outcome.files_trashed} files, {round_size(outcome.bytes_trashed)}, to the trash"
    if outcome.results or outcome.jobs:
        said += f"; {removed} {outcome.results} results and {outcome.jobs} ended jobs"
    say(f"{said} ({outcome.status.value})")
    for category, reason in outcome.paused.items():
        report(f"{category.value} was left alone: {reason}")
