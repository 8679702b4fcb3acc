"""`media-analysis pause`, `resume` and `pauses`: stop deletion, and let it go on."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, err, load, out, report, run, tabulate
from media_analysis.cli.services import open_services
from media_analysis.errors import InvalidRequest, PauseNotFound
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from media_analysis.retention.guard.pauses import PauseService
    from media_analysis.retention.models import Pause
    from media_analysis.settings import Settings

Answer = TypeVar("Answer")
BY = "command line"
LONGEST_REASON = 500


def pause(
    reason: Annotated[str, typer.Option(help="Why; shown by the API, the logs and /readyz")],
    category: Annotated[Category | None, typer.Option(help="Only this category", show_default=False)] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Stop sweeps and evictions in a category, or everywhere, and print the id of the pause."""
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise InvalidRequest("--reason", f"a line of 1 to {LONGEST_REASON} characters")

    async def stop(pauses: PauseService) -> Pause:
        return await pauses.pause(category=category, reason=reason, by=BY)

    made = run(_with_pauses(load(config, data_dir).settings, stop))
    report(f"deletion is paused {_where(made)}; resume it with: media-analysis resume {made.id}")
    out.print(str(made.id), soft_wrap=True, highlight=False)


def resume(
    *,
    pause_id: Annotated[UUID | None, typer.Argument(help="Which pause", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every pause there is")] = False,
    confirm: Annotated[
        int | None, typer.Option(min=0, help="How many files the pause names, all of them together", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Let deletion go on, after confirming how many files a pause names; asks for the number on a terminal."""
    if (pause_id is None) is not everything:
        raise InvalidRequest("PAUSE_ID", "give the id of one pause, or --all")

    async def go_on(pauses: PauseService) -> Sequence[Pause]:
        typed = _ask(await _pick(pauses, pause_id)) if confirm is None and sys.stdin.isatty() else confirm
        if pause_id is None:
            return await pauses.resume_all(confirm=typed, by=BY)
        return [await pauses.resume(pause_id, confirm=typed, by=BY)]

    resumed = run(_with_pauses(load(config, data_dir).settings, go_on))
    for ended in resumed:
        out.print(f"deletion may go on {_where(ended)}: {ended.reason}", soft_wrap=True, highlight=False, markup=False)
    if not resumed:
        out.print("nothing is paused")


def pauses(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that ended")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List where deletion stands still, and why."""

    async def look(service: PauseService) -> Sequence[Pause]:
        return await service.list(is_open=None if everything else True)

    found = run(_with_pauses(load(config, data_dir).settings, look))
    if not found:
        out.print("nothing is paused")
        return
    header = ("id", "category", "cause", "files", "since", "by", "resumed", "reason")
    tabulate(header, [_row(pause) for pause in found])


async def _with_pauses(settings: Settings, work: Callable[[PauseService], Awaitable[Answer]]) -> Answer:
    async with open_services(settings) as runtime:
        return await work(runtime.pauses)


async def _pick(pauses: PauseService, pause_id: UUID | None) -> Sequence[Pause]:
    standing = await pauses.list(is_open=True)
    if pause_id is None:
        return standing
    picked = [pause for pause in standing if pause.id == pause_id]
    if not picked:
        raise PauseNotFound(pause_id)
    return picked


def _ask(standing: Sequence[Pause]) -> int | None:
    """Show what is paused and let the number be typed; somebody who reads it knows what they confirm."""
    if not standing:
        return None
    for pause in standing:
        err.print(f"{_where(pause)}: {pause.reason} ({pause.files} files)", soft_wrap=True, markup=False)
    typed: int = typer.prompt("How many files may go? Type the number to confirm", type=int, err=True)
    return typed


def _where(pause: Pause) -> str:
    return "everywhere" if pause.category is None else f"in {pause.category.value}"


def _row(pause: Pause) -> tuple[str, ...]:
    return (
        str(pause.id),
        "all" if pause.category is None else pause.category.value,
        pause.cause.value,
        str(pause.files),
        f"{pause.paused_at:%Y-%m-%d %H:%M}",
        pause.paused_by,
        "" if pause.resumed_at is None else f"{pause.resumed_at:%Y-%m-%d %H:%M} by {pause.resumed_by}",
        pause.reason,
    )
