"""`media-analysis store`: move a store, or its archives, to another disk or bucket while it is served."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from media_analysis.cli.console import AsJson, ConfigFile, DataDir, err, json_instant, load, out, report, run, say
from media_analysis.cli.grammar import parse_amount
from media_analysis.cli.progress import counting_bar
from media_analysis.cli.services import ACTOR
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.moves.emptying import EmptyReport
    from media_analysis.moves.models import StoreMove
    from media_analysis.moves.opened import MoveContext
    from media_analysis.moves.passes import MoveReport
    from media_analysis.moves.service import CancelledMove
    from media_analysis.moves.statements import MoveSum
    from media_analysis.moves.status import MoveStatus
    from media_analysis.settings import Settings

Value = TypeVar("Value")
app = typer.Typer(
    help="Move the store, or its archives, to another disk or bucket.", no_args_is_help=True, add_completion=False
)
Rate = Annotated[str, typer.Option(help="Bytes read in a second at most, or none for no limit")]


@app.command("move")
def move(
    to: Annotated[
        str, typer.Option("--to", metavar="URL", help="Where to: s3://bucket/prefix, az://…, gs://…, file:///path")
    ],
    *,
    archives: Annotated[bool, typer.Option("--archives", help="Move archives alone")] = False,
    rate: Rate = "none",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Copy all there is to another place while the service goes on; said again, it copies what came since.

    Each object is hashed on the way. What is deleted meanwhile is deleted there, too. Nothing is switched, and nothing
    deleted where it is. Of a bucket the credentials are the provider's usual variables behind MOVE_.
    """

    async def work(context: MoveContext) -> tuple[MoveReport, MoveStatus]:
        from media_analysis.moves.service import MoveService
        from media_analysis.moves.status import MoveStatusService

        done = await MoveService(context).copy(to, archives=archives)
        return done, (await MoveStatusService(context).list())[0]

    done, status = run(_work(load(config, data_dir).settings, work, bytes_per_second=_rate(rate)))
    say(f"copied {done.copied} objects, {round_size(done.size_bytes)}, and deleted {done.deleted} that are gone")
    if done.skipped:
        report(f"{done.skipped} names in the quarantine stay there: no files, too long, or such as cannot be said")
    if status.failed:
        report(f"{status.failed} objects cannot be copied; media-analysis store status names them")
    report("once little is left: media-analysis store switch")


@app.command("switch")
def switch(
    *,
    leave_damaged: Annotated[
        bool, typer.Option("--leave-damaged", help="Leave objects that cannot be copied, and mark their files")
    ] = False,
    end_uploads: Annotated[
        bool, typer.Option("--end-uploads", help="Give up uploads in pieces that are not whole")
    ] = False,
    rate: Rate = "none",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Copy the rest while nobody writes, and make the other place the store.

    From then on a service that still runs writes and deletes nothing until it is started with the new address; what is
    there can be read. Ended by ^C it opens the store again where it was; killed, it goes on when it is said again, or
    ends by cancel.
    """

    async def work(context: MoveContext) -> StoreMove:
        from media_analysis.moves.switching import SwitchService

        return await SwitchService(context).switch(leave_damaged=leave_damaged, end_uploads=end_uploads)

    switched = run(_work(load(config, data_dir).settings, work, bytes_per_second=_rate(rate)))
    say(f"{_what(switched)} are at {switched.target}")
    report(f"start the service with {_setting(switched)}={switched.target}")
    report(f"what is left at {switched.source} goes by: media-analysis store delete-old")


@app.command("cancel")
def cancel(*, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Give the move under way up: the store stays where it is; copies stay, too, until delete-old.

    With the store gone over to its replica it ends the move although the former store is away; said again once that
    is back, it opens what a switch had closed there.
    """

    async def work(context: MoveContext) -> CancelledMove:
        from media_analysis.moves.service import MoveService

        return await MoveService(context).cancel()

    cancelled = run(_work(load(config, data_dir).settings, work))
    move = cancelled.move
    if cancelled.closed_because is None:
        say(f"{_what(move)} stay at {move.source}")
    else:
        say(f"the move from {move.source} to {move.target} is given up")
        report(f"nobody could look at {move.source}: {cancelled.closed_because}")
        report("if a switch had closed it, no service starts on it; once it is back: media-analysis store cancel")
    report(f"copies at {move.target} go by: media-analysis store delete-old")


@app.command("delete-old")
def delete_old(
    *,
    yes: Annotated[
        str | None,
        typer.Option("--yes", metavar="URL", help="Delete, without asking, what is left there", show_default=False),
    ] = None,
    rate: Rate = "none",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete what a move left where the store is no more, each object after its copy was read and hashed.

    On a terminal it asks for the address; anywhere else it only tells, unless --yes repeats that.
    """
    from media_analysis.moves.emptying import EmptyService

    settings = load(config, data_dir).settings
    left, amount = run(_work(settings, lambda context: EmptyService(context).find(yes)))
    report(f"{amount.files} objects, {round_size(amount.size_bytes)}, are left at {left.left}")
    if not _is_confirmed(left.left, yes):
        return

    async def work(context: MoveContext) -> EmptyReport:
        emptying = EmptyService(context)
        return await emptying.empty((await emptying.find(left.left))[0])

    done = run(_work(settings, work, bytes_per_second=_rate(rate), total=amount.files))
    say(f"deleted {done.deleted} objects, {round_size(done.size_bytes)}")
    if done.kept:
        report(f"{done.kept} stay, for they are not whole in the store; the first is {done.first_kept}")
        raise typer.Exit(2)


@app.command("status")
def status(*, as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Tell of moves: how much was copied, what is left to copy, what cannot be, what was left behind."""

    async def work(context: MoveContext) -> Sequence[MoveStatus]:
        from media_analysis.moves.status import MoveStatusService

        return await MoveStatusService(context).list()

    found = run(_look(load(config, data_dir).settings, work))
    if as_json:
        out.print_json(json.dumps([_document(each) for each in found]))
        return
    tabulate(
        ("moved", "from", "to", "is", "copied", "bytes", "to copy", "bytes", "failed", "left behind"),
        [
            (
                *(_what(each.move), each.move.source, each.move.target, each.state),
                *(each.copied.files, SizeCell(each.copied.size_bytes)),
                *(each.to_copy.files, SizeCell(each.to_copy.size_bytes), each.failed, each.left.files),
            )
            for each in found
        ],
        empty="nothing was ever moved",
        piped=("from", "to"),
    )
    for each in found:
        for key, reason in each.failures.items():
            report(f"{key} cannot be copied: {reason}")


def _document(status: MoveStatus) -> dict[str, Any]:
    def told(amount: MoveSum) -> dict[str, int]:
        return {"objects": amount.files, "size_bytes": amount.size_bytes}

    move = status.move
    instants = {"started_at": move.started_at, "switched_at": move.switched_at, "cancelled_at": move.cancelled_at}
    return {
        "id": str(move.id),
        "part": move.part,
        "source": move.source,
        "target": move.target,
        "state": status.state,
        **{name: json_instant(at) for name, at in instants.items()},
        "copied": told(status.copied),
        "to_copy": told(status.to_copy),
        "failed": status.failed,
        "left_behind": told(status.left),
        "failures": dict(status.failures),
    }


def _what(move: StoreMove) -> str:
    return {"everything": "all objects", "archives": "archives"}.get(move.part, "all objects but archives")


def _setting(move: StoreMove) -> str:
    return "ARCHIVE_URL" if move.part == "archives" else "STORAGE_URL"


def _rate(rate: str) -> int | None:
    return None if rate.strip().lower() == "none" else parse_amount("--rate", rate)


def _is_confirmed(url: str, yes: str | None) -> bool:
    if yes is not None:
        if yes != url:
            raise InvalidRequest("--yes", f"repeat the address of what is left: {url}")
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        report(f"nothing was deleted; to delete it: media-analysis store delete-old --yes {url}")
        return False
    return bool(typer.prompt("Delete it? Repeat the address", err=True) == url)


async def _work(
    settings: Settings,
    work: Callable[[MoveContext], Awaitable[Value]],
    *,
    bytes_per_second: int | None = None,
    total: int | None = None,
) -> Value:
    """Work at a move alone, and show how far it is on a terminal."""
    from media_analysis.moves.lock import only_run

    with _shown(total) as tell:
        async with _opened(settings, bytes_per_second, tell) as context, only_run(context.db) as lock:
            return await work(replace(context, lock=lock))


async def _look(settings: Settings, work: Callable[[MoveContext], Awaitable[Value]]) -> Value:
    async with _opened(settings, None, lambda _: None) as context:
        return await work(context)


@asynccontextmanager
async def _opened(
    settings: Settings, bytes_per_second: int | None, tell: Callable[[MoveReport], None]
) -> AsyncIterator[MoveContext]:
    from media_analysis.moves.suite import open_moves
    from media_analysis.settings.postgres import database_url

    async with (
        database_url(settings, report=report) as url,
        open_moves(settings, url, actor=ACTOR, tell=tell, bytes_per_second=bytes_per_second) as context,
    ):
        yield context


@contextmanager
def _shown(total: int | None) -> Iterator[Callable[[MoveReport], None]]:
    if not err.is_terminal:
        yield lambda _: None
        return
    with counting_bar() as bar:
        task = bar.add_task("objects", total=total)
        yield lambda done: bar.update(task, completed=done.copied)
