"""`media-analysis config`: the settings in force, and where each came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from media_analysis.cli.console import ConfigFile, DataDir, out, read
from media_analysis.cli.tables import tabulate

if TYPE_CHECKING:
    from media_analysis.settings import SettingRow

WIDE: Final = 160
"""What a table of settings needs."""


def config(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print every setting with its value, where it came from, and the variable that sets it."""
    from media_analysis.settings import effective

    rows = effective(read(config, data_dir))
    if as_json:
        shown = {row.path: {"value": row.text, "origin": row.origin, "variable": row.env} for row in rows}
        out.print_json(json.dumps(shown))
        return
    if out.is_terminal and out.width < WIDE:
        _print_narrow(rows)
    else:
        tabulate(("setting", "value", "from", "variable"), [(row.path, row.text, row.origin, row.env) for row in rows])


def _print_narrow(rows: Sequence[SettingRow]) -> None:
    """Print settings by section, each with its variable below it where it has one."""
    sections: dict[str, list[SettingRow]] = {}
    for row in rows:
        sections.setdefault(row.path.rpartition(".")[0], []).append(row)
    for section, members in sections.items():
        if section:
            out.print(Text(section, style="bold"))
        for row in members:
            name = f"  {row.path.rpartition('.')[2]}"
            out.print(Text.assemble(name, " = ", (row.text, "bold"), (f"  ({row.origin})", "dim")), soft_wrap=True)
            out.print(Text(f"    {row.env}", style="dim"), soft_wrap=True)
