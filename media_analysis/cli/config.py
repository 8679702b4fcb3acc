"""`media-analysis config`: the settings in force, and where each came from."""

import json
from typing import Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, out, read, tabulate


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
    tabulate(("setting", "value", "from", "variable"), [(row.path, row.text, row.origin, row.env) for row in rows])
