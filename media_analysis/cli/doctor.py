"""`media-analysis doctor`: whether an installation and the service that runs on it are in order."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from media_analysis.cli.console import ConfigFile, DataDir, load, out

if TYPE_CHECKING:
    from media_analysis.diagnosis import Check
    from media_analysis.settings import Settings


def doctor(
    *,
    address: Annotated[
        str | None, typer.Option(help="Where the service answers [default: as configured]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Check directories, permissions, database, endpoints, schedule and a dry run of a running service; change nothing.

    One line for each: OK, or FAILED with the reason and what to do. Exit code 1 when anything failed. `verify` is
    another thing: it holds every row and every object against each other.
    """
    from media_analysis.diagnosis import Installation, Status

    settings = load(config, data_dir).settings
    found = []
    for check in Installation(settings, address or _configured(settings)).check():
        found.append(check)
        if not as_json:
            _print(check)
    is_well = all(check.status is Status.OK for check in found)
    if as_json:
        out.print_json(json.dumps({"ok": is_well, "checks": [asdict(check) for check in found]}))
    if not is_well:
        raise typer.Exit(1)


def _configured(settings: Settings) -> str:
    host = settings.server.host
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing listens here
    named = everywhere.get(host, host)
    return f"http://{f'[{named}]' if ':' in named else named}:{settings.server.port}"


def _print(check: Check) -> None:
    style = {"ok": "green", "failed": "bold red", "skipped": "yellow"}[check.status]
    remedy = "" if check.remedy is None else f" → {check.remedy}"
    word = f"[{style}]{check.status.value.upper():<8}[/{style}]"
    out.print(f"{word}{check.name:<16}{escape(check.detail + remedy)}", soft_wrap=True, highlight=False)
