"""`media-analysis demo`: the whole service on a scratch directory, and one video's life in it."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from media_analysis.cli.console import at_interruption, err, out, report, run, say
from media_analysis.cli.job_display import JobDisplay
from media_analysis.cli.serve import ServedProcess, running_service
from media_analysis.cli.tables import tabulate
from media_analysis.errors import Misconfigured

HOST: Final = "127.0.0.1"
INTERRUPTED: Final = 128 + signal.SIGINT
PASSABLE: Final = 0o711
"""PostgreSQL, which an administrator may not be, has to get through to its own directory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoOptions:
    """What is to be shown."""

    video: Path | None
    """None makes one."""
    sheet: Path | None
    ttl: int
    keep: bool


def demo(
    *,
    video: Annotated[
        Path | None,
        typer.Argument(
            help="The video to show it with [default: a film made for it]",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also save the contact sheet there", dir_okay=False, show_default=False)
    ] = None,
    ttl: Annotated[int, typer.Option(min=1, max=3_600, help="After how many seconds everything is to expire")] = 4,
    keep: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Let nothing expire, and leave all of it in this directory", show_default=False
        ),
    ] = None,
) -> None:
    """Start everything on a scratch directory, analyse a video over HTTP, and let it expire and be swept.

    Nothing else on this machine is touched: settings, environment and other databases do not matter.
    """
    from media_analysis.telemetry.logs import configure_logging

    configure_logging(style="console" if err.is_terminal else "json", level="WARNING")
    options = DemoOptions(video=video, sheet=sheet, ttl=ttl, keep=keep is not None)
    with _scratch() if keep is None else _kept(keep) as directory:
        run(_demo(directory, options))


class _Terminal:
    """Shows the story on standard output."""

    def head(self, title: str) -> None:
        out.print(f"\n[bold]{title}[/bold]")

    def say(self, sentence: str) -> None:
        say(f"  {sentence}")

    def fact(self, name: str, text: str) -> None:
        out.print(Text.assemble("  ", (f"{name:<10}", "dim"), " ", text), soft_wrap=True, highlight=False)

    def table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        tabulate(header, rows)

    def progress(self) -> JobDisplay:
        return JobDisplay()


@contextmanager
def _scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="media-analysis-demo-"))
    try:
        _open_up(directory)
        yield directory
    finally:
        from media_analysis.db.embedded import unlink_server

        unlink_server(directory / "var" / "postgres")
        shutil.rmtree(directory)


@contextmanager
def _kept(directory: Path) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise Misconfigured(f"{directory} is not empty; --keep wants a directory of its own")
    _open_up(directory)
    yield directory
    say(f"\nall of it stays: media-analysis serve --data-dir {directory / 'var'}")


def _open_up(directory: Path) -> None:
    if os.geteuid() == 0:
        directory.chmod(PASSABLE)


async def _demo(directory: Path, options: DemoOptions) -> None:
    # Whoever has seen enough does not want to wait for a job.
    from media_analysis.settings import load_settings

    # And the story ends with nothing left, not with a trash.
    chosen = {"data_dir": directory / "var", "worker": {"grace_seconds": 0}, "deletion": {"strategy": "hard"}}
    settings = load_settings(chosen, environ={}).settings
    report(f"everything is in {directory}")
    making = asyncio.create_task(_video(directory, options.video))
    try:
        async with running_service(settings) as service, _served(service) as (address, interrupted):
            telling = asyncio.create_task(_tell(service, address, await making, options))
            await _either(telling, interrupted)
    finally:
        making.cancel()


async def _either(telling: asyncio.Task[None], interrupted: asyncio.Event) -> None:
    """Wait for the end of the story, or for somebody who has seen enough.

    Raises:
        typer.Exit: somebody has.

    """
    waiting = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({telling, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (telling, waiting):
            task.cancel()
        await asyncio.wait({telling, waiting})
    if telling.cancelled():
        raise typer.Exit(INTERRUPTED)
    await telling


async def _video(directory: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    from media_analysis.demo.film import make_film

    report("making a film")
    return await asyncio.to_thread(make_film, directory / "a_day_at_sea.mp4")


@asynccontextmanager
async def _served(service: ServedProcess) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Serve the API on a free port while the block runs; yield where, and what is set when somebody interrupts."""
    from media_analysis import app

    ready, interrupted = asyncio.Event(), asyncio.Event()
    api = app.create_app(service.runtime)
    with app.bind(HOST, 0) as listening:
        serving = asyncio.create_task(app.serve(api, listening, ready.set, interrupted.set))
        try:
            await ready.wait()
            yield f"http://{HOST}:{listening.getsockname()[1]}", interrupted
        finally:
            api.state.drain()
            await serving
            at_interruption(lambda: None)  # what is left to do is to clean up


async def _tell(service: ServedProcess, address: str, video: Path, options: DemoOptions) -> None:
    from media_analysis.demo.client import open_client
    from media_analysis.demo.story import Story

    report(f"ready at {address}: open it in a browser while this goes on, with the token in {service.token_file}")
    async with open_client(address, service.token_file.read_text().strip()) as client:
        story = Story(client, service.runtime, address, _Terminal())
        await story.upload(video)
        await story.analyze()
        await story.show_facts()
        await story.show_retention()
        await story.show_sheet(options.sheet, service.token_file)
        if not options.keep:
            await story.let_all_end(options.ttl)
