"""`media-analysis upload`: files and folders to a server, over any line, and on where it was left."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from media_analysis.cli.console import report
from media_analysis.cli.exits import CommandRefused
from media_analysis.cli.grammar import parse_labels, parse_span
from media_analysis.cli.remote import refusals, require_server
from media_analysis.storage.category import Category


def upload(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, and with --recursive folders")],
    *,
    category: Annotated[Category, typer.Option(help="What they are for")] = Category.UPLOADS,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Such as event:evt42; repeat for more", show_default=False),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option(
            metavar="SPAN", help="How long they are kept, such as 7d [default: the category's]", show_default=False
        ),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All files in folders, too")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many at the same time")] = 4,
    skip_known: Annotated[bool, typer.Option("--skip-known", help="Not those whose bytes are there already")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each file")] = False,
) -> None:
    """Upload files and print the id of each; what was broken off goes on where it was when the same is typed again.

    Whatever is no plain file, cannot be read or changes meanwhile is left out and named, the others go, and the exit
    code is 1. Large files go in pieces, and not from their beginning again after ^C, a broken line or a restart.
    """
    from media_analysis.cli.upload_items import Wishes, find_items
    from media_analysis.cli.upload_run import UploadRun, run_uploads

    server = require_server()
    wishes = Wishes(
        category=category.value,
        labels=parse_labels("--label", label or ()),
        ttl=None if ttl is None else parse_span("--ttl", ttl),
    )
    found = find_items(paths, recursive=recursive)
    if not found.items and not found.refused:
        raise CommandRefused("there is no file in what was named")
    if found.items:
        report(f"{found.sentence} to {server.url}")
    with refusals(server.url):
        code = run_uploads(
            UploadRun(server, wishes, found, jobs=jobs, skips_known=skip_known, as_json=as_json, paths=tuple(paths))
        )
    raise typer.Exit(code)
