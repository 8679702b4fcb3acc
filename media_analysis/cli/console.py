"""What commands share: options, the terminal, and the way into the event loop."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from media_analysis.characters import escape_controls
from media_analysis.units import format_instant

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import BaseModel
    from rich.console import ConsoleOptions, RenderableType

    from media_analysis.settings import LoadedSettings
    from media_analysis.settings.model import LoggingSettings
    from media_analysis.telemetry.logs import Format

Value = TypeVar("Value")

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON")]
AsAnswered = Annotated[bool, typer.Option("--json", help="Print it as the API answers it")]

TERMINATED: Final = 128 + signal.SIGTERM
"""The exit code a shell gives a command that a signal ended."""
ENDING_SECONDS: Final = 60.0
"""How long a command may take to let go of everything once a signal asked it to end."""
COLLECTED_OBJECTS: Final = 5_000
"""How many more objects there are before the collector looks at the new ones."""
MAPPED_BYTES: Final = 4 * 2**20
"""From how many on memory comes from the kernel, and goes back to it at once."""
KEPT_BYTES: Final = 32 * 2**20
"""How much freed memory the allocator may keep for what comes next."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


class Terminal(Console):
    """Shows what clients, files and programs say without being steered by it, whichever command prints it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Return the segments of a renderable; only those that rich itself makes controls of are controls."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else escape_controls(text, keep="\n"), style, control)


out = Terminal()
err = Terminal(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        help="Where the service keeps what it owns [default: the checkout's var, else the user's data folder]",
        show_default=False,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="A YAML file of settings", envvar="MEDIA_ANALYSIS_CONFIG", show_default=False),
]


def report(sentence: str) -> None:
    """Say what is going on, on standard error."""
    err.print(Text.assemble(("·", "dim"), " ", sentence), soft_wrap=True)


def say(sentence: str) -> None:
    """Print a sentence on standard output, as it is."""
    out.print(sentence, soft_wrap=True, highlight=False, markup=False)


def instant(at: datetime | None, without: str = "") -> str:
    """Return an instant as every command writes it."""
    return without if at is None else format_instant(at)


def json_instant(at: datetime | None) -> str | None:
    """Return an instant as every command's JSON has it."""
    return None if at is None else at.isoformat()


def print_documents(documents: Iterable[BaseModel]) -> None:
    """Print what the API answers of several things, as one array of JSON."""
    out.print_json(json.dumps([document.model_dump(mode="json") for document in documents]))


def complain(sentence: str) -> None:
    """Say why a command stops, on standard error."""
    err.print(Text.assemble(("media-analysis:", "bold red"), " ", sentence), soft_wrap=True)


def load(
    config: Path | None, data_dir: Path | None, *, narrate: bool = False, **sections: dict[str, Any]
) -> LoadedSettings:
    """Load the settings, with what the command line gave on top, and set up logging by them.

    Commands that print their own outcome log only warnings, unless a level was asked for.
    """
    loaded = read(config, data_dir, **sections)
    asked_for = narrate or loaded.origins["logging.level"] != "default"
    follow(loaded.settings.logging, is_service=narrate, level=None if asked_for else "WARNING")
    if loaded.found is not None:
        import structlog

        structlog.get_logger().info("config.found", path=str(loaded.found))
    return loaded


def follow(chosen: LoggingSettings, *, is_service: bool = True, level: str | None = None) -> None:
    """Log as the settings say, at another `level` where one is given; only services log to a file."""
    from media_analysis.telemetry.logs import configure_logging

    style: Format = "console" if err.is_terminal else "json"
    configure_logging(
        style=style if chosen.format == "auto" else chosen.format,
        level=level or chosen.level,
        file=chosen.file if is_service else None,
        file_style="console" if chosen.format == "console" else "json",
    )


def read(config: Path | None, data_dir: Path | None, **sections: dict[str, Any]) -> LoadedSettings:
    """Read the settings, with what the command line gave on top."""
    from media_analysis.settings import load_settings

    overrides: dict[str, Any] = {
        name: given
        for name, section in sections.items()
        if (given := {key: value for key, value in section.items() if value is not None})
    }
    if data_dir is not None:
        overrides["data_dir"] = data_dir
    return load_settings(overrides, config=config)


def settle_memory() -> None:
    """Let the collector look at little, and the allocator keep what comes and goes with every body.

    What is loaded by now stays to the end: to pass it over is a fifth of a sweep's Python.
    """
    gc.freeze()
    # As it comes, it looks several times a group of uploads for circles among objects that nearly all go without it.
    gc.set_threshold(COLLECTED_OBJECTS, 10, 10)
    # As it comes, it gives buffers back to the kernel, which clears half as many pages anew as an upload has.
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):  # glibc's
        allocator.mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        allocator.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """Run a command's work on an event loop of its own; SIGTERM ends it as ^C does: what it started is stopped."""
    import asyncio

    import uvloop

    settle_memory()
    before = signal.getsignal(signal.SIGTERM)
    try:
        return uvloop.run(_stoppable(work))
    except asyncio.CancelledError:
        raise typer.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, before)  # the closed loop would swallow it, and a prompt may come


def at_interruption(act: Callable[[], None], *, within_seconds: float = ENDING_SECONDS) -> None:
    """Answer SIGINT and SIGTERM with `act` from now on, upon which the command ends within so many seconds."""
    import asyncio

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, bounded(act, within_seconds))


def bounded(act: Callable[[], None], within_seconds: float = ENDING_SECONDS) -> Callable[[], None]:
    """Return `act`, after which the process ends in bounded time whatever a thread of it waits for.

    A disk that does not answer holds a thread for good, and Python waits for threads at its end. What is left then is
    what a kill would leave, and the next start finds its way with that.
    """

    def acting() -> None:
        giving_up = threading.Timer(within_seconds, _give_up)
        giving_up.daemon = True
        giving_up.start()
        act()

    return acting


def _give_up() -> None:
    complain("its threads do not end; this is where they are:")
    faulthandler.dump_traceback()
    os._exit(TERMINATED)


async def _stoppable(work: Coroutine[Any, Any, Value]) -> Value:
    import asyncio

    task = asyncio.current_task()
    if task is not None:

        def end() -> None:
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bounded(end))
    return await work
