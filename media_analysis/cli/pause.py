"""`media-analysis pause`, `resume` and `pauses`: stop deletion, and let it go on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.characters import escape_controls
from media_analysis.cli.console import (
    AsAnswered,
    ConfigFile,
    DataDir,
    err,
    load,
    out,
    print_documents,
    report,
    run,
    say,
)
from media_analysis.cli.grammar import IdPart, parse_reason
from media_analysis.cli.ids import id_argument, pause_id
from media_analysis.cli.services import ACTOR, with_services
from media_analysis.cli.tables import Cell, tabulate
from media_analysis.errors import InvalidRequest, PauseNotFound
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from media_analysis.deletion.models import Pause
    from media_analysis.runtime import Runtime


def pause(
    reason: Annotated[str, typer.Option(help="Why; shown by the API, the logs and /readyz")],
    category: Annotated[Category | None, typer.Option(help="Only this category", show_default=False)] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Stop sweeps and evictions in a category, or everywhere, and print the id of the pause."""
    why = parse_reason(reason)

    async def stop(runtime: Runtime) -> Pause:
        return await runtime.deletion.pauses.pause(category=category, reason=why, by=ACTOR)

    made = run(with_services(load(config, data_dir).settings, stop))
    report(f"deletion is paused {_where(made)}; resume it with: media-analysis resume {made.id}")
    say(str(made.id))


def resume(
    *,
    pause: Annotated[IdPart | None, id_argument("Which pause")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every pause there is")] = False,
    confirm: Annotated[
        int | None, typer.Option(min=0, help="How many files the pause names, all of them together", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Let deletion go on, after confirming how many files a pause names; asks for the number on a terminal."""
    if (pause is None) is not everything:
        raise InvalidRequest("ID", "give the id of one pause, or --all")

    settings = load(config, data_dir).settings
    if confirm is None and sys.stdin.isatty():
        # Nothing is open while somebody thinks.
        confirm = _ask(run(with_services(settings, lambda runtime: _pick(runtime, pause))))

    async def go_on(runtime: Runtime) -> Sequence[Pause]:
        if pause is None:
            return await runtime.deletion.pauses.resume_all(confirm=confirm, by=ACTOR)
        return [await runtime.deletion.pauses.resume(await pause_id(runtime, pause), confirm=confirm, by=ACTOR)]

    resumed = run(with_services(settings, go_on))
    for ended in resumed:
        say(f"deletion may go on {_where(ended)}: {ended.reason}")
    if not resumed:
        out.print("nothing is paused")


def pauses(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that ended")] = False,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List where deletion stands still, and why."""

    async def look(runtime: Runtime) -> Sequence[Pause]:
        return await runtime.deletion.pauses.list(is_open=None if everything else True)

    found = run(with_services(load(config, data_dir).settings, look))
    if as_json:
        from media_analysis.api.schemas.pauses import PauseRead

        print_documents(map(PauseRead.model_validate, found))
        return
    header = ("id", "category", "cause", "files", "since", "by", "resumed", "resumed by", "reason")
    tabulate(header, [_row(pause) for pause in found], empty="nothing is paused", piped=("by", "resumed by"))


async def _pick(runtime: Runtime, part: IdPart | None) -> Sequence[Pause]:
    open_pauses = await runtime.deletion.pauses.list(is_open=True)
    if part is None:
        return open_pauses
    wanted = await pause_id(runtime, part)
    picked = [pause for pause in open_pauses if pause.id == wanted]
    if not picked:
        raise PauseNotFound(wanted)
    return picked


def _ask(open_pauses: Sequence[Pause]) -> int | None:
    """Show what is paused and let the number be typed; somebody who reads it knows what they confirm."""
    if not open_pauses:
        return None
    for pause in open_pauses:
        err.print(
            f"{_where(pause)}: {escape_controls(pause.reason)} ({pause.files} files)", soft_wrap=True, markup=False
        )
    typed: int = typer.prompt("How many files may go? Type the number to confirm", type=int, err=True)
    return typed


def _where(pause: Pause) -> str:
    where = "everywhere" if pause.category is None else f"in {pause.category.value}"
    return f"by pressure {where}" if pause.cause.stops_evictions_only else where


def _row(pause: Pause) -> tuple[Cell, ...]:
    return (
        pause.id,
        "all" if pause.category is None else pause.category.value,
        pause.cause.value,
        pause.files,
        pause.paused_at,
        pause.paused_by,
        pause.resumed_at,
        pause.resumed_by,
        pause.reason,
    )
