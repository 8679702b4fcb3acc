"""`media-analysis doctor`: whether an installation and the service that runs on it are in order."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from media_analysis.cli.address import address_of
from media_analysis.cli.console import ConfigFile, DataDir, load, out
from media_analysis.cli.grammar import refused

if TYPE_CHECKING:
    from media_analysis.diagnosis import Check

ADDRESS: Final = "an address such as http://127.0.0.1:8000"
PORTS: Final = 65_536


def doctor(
    *,
    address: Annotated[
        str | None,
        typer.Option(
            help="Where the service answers [default: as it says itself, or as configured]", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Check directories, permissions, database, endpoints and schedule of a running service; delete nothing.

    Of its dry run only a line in the list of sweeps stays.

    One line for each: OK, or FAILED with the reason and what to do. Exit code 1 when anything failed. `verify` is
    another thing: it holds every row and every object against each other.
    """
    from media_analysis.diagnosis import CheckStatus, Installation

    settings = load(config, data_dir).settings
    asked = address_of(settings) if address is None else parse_address(address)
    found = []
    for check in Installation(settings, asked).check():
        found.append(check)
        if not as_json:
            _print(check)
    is_well = all(check.status is CheckStatus.OK for check in found)
    if as_json:
        out.print_json(json.dumps({"ok": is_well, "checks": [asdict(check) for check in found]}))
    if not is_well:
        raise typer.Exit(1)


def parse_address(given: str) -> str:
    """Return the address of a service.

    Raises:
        InvalidRequest: nothing can answer there.

    """
    import httpx

    try:
        url = httpx.URL(given)
    except httpx.InvalidURL:
        raise refused("--address", given, ADDRESS) from None
    if url.scheme in {"http", "https"} and url.host and (url.port is None or 0 < url.port < PORTS):
        return given
    raise refused("--address", given, ADDRESS)


def _print(check: Check) -> None:
    style = {"ok": "green", "failed": "bold red", "skipped": "yellow"}[check.status]
    remedy = "" if check.remedy is None else f" → {check.remedy}"
    word = f"[{style}]{check.status.value.upper():<8}[/{style}]"
    out.print(f"{word}{check.name:<16}{escape(check.detail + remedy)}", soft_wrap=True, highlight=False)
