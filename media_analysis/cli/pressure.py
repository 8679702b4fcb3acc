"""`media-analysis pressure`: what is too full and who goes next, or relief now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, load, out, run, say
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.storage.category import Category
from media_analysis.units import format_size, round_size

if TYPE_CHECKING:
    from media_analysis.retention.pressure.outcome import ReliefOutcome
    from media_analysis.retention.pressure.preview import PressurePreview
    from media_analysis.settings import Settings

UNRELIEVED = 2


def pressure(
    *,
    relieve: Annotated[bool, typer.Option("--relieve", help="Evict down to the low-water marks now")] = False,
    preview: Annotated[int, typer.Option(min=1, max=500, help="How many of the next files to list")] = 20,
    category: Annotated[
        Category | None, typer.Option(help="List who would go for this category", show_default=False)
    ] = None,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Tell what is under pressure and who goes next, or relieve it; exit code 2 when not enough could go."""
    settings = load(config, data_dir).settings
    if not relieve:
        _show(run(_preview(settings, category, preview)), as_json=as_json)
        return
    outcomes = run(_relieve(settings))
    _tell(outcomes, as_json=as_json)
    if not all(outcome.relieved for outcome in outcomes):
        raise typer.Exit(UNRELIEVED)


async def _preview(settings: Settings, category: Category | None, limit: int) -> PressurePreview:
    async with open_services(settings) as runtime:
        return await runtime.retention.pressure.preview(category=category, limit=limit)


async def _relieve(settings: Settings) -> Sequence[ReliefOutcome]:
    from media_analysis.retention.models import SweepTrigger

    async with open_services(settings) as runtime:
        return await runtime.retention.pressure.relieve(trigger=SweepTrigger.CLI, actor="command line")


def _show(found: PressurePreview, *, as_json: bool) -> None:
    if as_json:
        from media_analysis.api.schemas.pressure import PressureRead

        out.print_json(json.dumps(PressureRead.from_preview(found).model_dump(mode="json")))
        return
    _show_levels(found)
    rows = [
        (
            following.rank,
            following.candidate.file.id,
            following.candidate.owner,
            following.category.value,
            SizeCell(following.candidate.file.size_bytes),
            following.why,
        )
        for following in found.next
    ]
    if rows:
        tabulate(("next", "file", "owner", "category", "size", "why"), rows)
    else:
        out.print("nothing may be evicted")


def _show_levels(found: PressurePreview) -> None:
    disk = found.disk
    used_bytes = disk.capacity.total_bytes - disk.capacity.free_bytes
    percents = (f"{disk.marks.high_percent}%", f"{disk.marks.low_percent}%")
    rows = [
        *(
            (
                level.category.value,
                round_size(level.used_bytes),
                _mark(level.rules.high_water_bytes),
                _mark(level.rules.low_water_bytes),
                "never" if level.rules.eviction_priority is None else str(level.rules.eviction_priority),
                _wanted(level.wanted_bytes),
            )
            for level in found.categories
        ),
    ]
    if not disk.capacity.is_endless:
        used = f"{round_size(used_bytes)} ({disk.used_percent:.1f}%)"
        rows.append(("disk", used, *percents, "", _wanted(disk.wanted_bytes)))
    tabulate(("scope", "used", "high", "low", "evicted", "has to go"), rows)


def _mark(size_bytes: int | None) -> str:
    return "" if size_bytes is None else format_size(size_bytes)


def _wanted(size_bytes: int) -> str:
    return round_size(size_bytes) if size_bytes else "-"


def _tell(outcomes: Sequence[ReliefOutcome], *, as_json: bool) -> None:
    if as_json:
        from media_analysis.api.schemas.pressure import ReliefRead

        out.print_json(json.dumps(ReliefRead.from_outcomes(outcomes).model_dump(mode="json")))
        return
    for outcome in outcomes:
        say(_sentence(outcome))
    if not outcomes:
        out.print("nothing is under pressure")


def _sentence(outcome: ReliefOutcome) -> str:
    gone = f"{outcome.files} files and {outcome.trash_files} of the trash"
    wanted, freed = round_size(outcome.wanted_bytes), round_size(outcome.freed_bytes)
    said = f"{outcome.scope.name}: wanted {wanted}, freed {freed} ({gone})"
    blockers = [
        f"{blocker.value} {amount.files} files, {round_size(amount.size_bytes)}"
        for blocker, amount in outcome.blocked.amounts.items()
        if amount.files
    ]
    return f"{said}; blocked by {'; '.join(blockers)}" if blockers else said
