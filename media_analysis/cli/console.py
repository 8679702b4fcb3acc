"""What commands share: options, the terminal, and the way into the event loop."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console

from media_analysis.settings import LoadedSettings, load_settings
from media_analysis.telemetry.logs import Format, configure_logging

Value = TypeVar("Value")

out = Console()
err = Console(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where the service keeps what it owns [default: var]", show_default=False),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="A YAML file of settings", envvar="MEDIA_ANALYSIS_CONFIG", show_default=False),
]


def report(sentence: str) -> None:
    """Say what is going on, on standard error."""
    err.print(f"[dim]·[/dim] {sentence}")


def complain(sentence: str) -> None:
    """Say why a command stops, on standard error."""
    err.print(f"[bold red]media-analysis:[/bold red] {sentence}", soft_wrap=True)


def load(config: Path | None, data_dir: Path | None, **sections: dict[str, Any]) -> LoadedSettings:
    """Load the settings, with what the command line gave on top, and set up logging by them."""
    overrides: dict[str, Any] = {
        name: given
        for name, section in sections.items()
        if (given := {key: value for key, value in section.items() if value is not None})
    }
    if data_dir is not None:
        overrides["data_dir"] = data_dir
    loaded = load_settings(overrides, config=config)
    chosen = loaded.settings.logging
    style: Format = "console" if err.is_terminal else "json"
    configure_logging(style=style if chosen.format == "auto" else chosen.format, level=chosen.level)
    return loaded


def run(work: Coroutine[Any, Any, Value]) -> Value:
    """Run a command's work on an event loop of its own."""
    return uvloop.run(work)
