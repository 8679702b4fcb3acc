"""`media-analysis ls`: the files a server has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analysis.cli.console import AsAnswered, out, report
from media_analysis.cli.grammar import parse_instant
from media_analysis.cli.remote import open_client
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from datetime import datetime

    from media_analysis.client import File

OfCategory = Annotated[Category | None, typer.Option(help="Only of this category", show_default=False)]
OfLabels = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABEL",
        help="Only with this label: camera:north, camera, or without: !camera; repeat for more",
        show_default=False,
    ),
]
OfOwner = Annotated[str | None, typer.Option(help="Only of this owner, for administrators", show_default=False)]
ExpiringBefore = Annotated[
    str | None,
    typer.Option(metavar="INSTANT", help="Only what ends before then; what ends next comes first", show_default=False),
]


def ls(
    *,
    category: OfCategory = None,
    label: OfLabels = None,
    owner: OfOwner = None,
    expiring_before: ExpiringBefore = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, newest first")] = 50,
    as_json: AsAnswered = False,
) -> None:
    """Print the files of a server that are yours, or for an administrator everybody's."""
    wanted = filters(category, label, owner, expiring_before)
    with open_client() as client:
        found = list(client.files(**wanted, limit=limit + 1))
    shown = found[:limit]
    if as_json:
        out.print_json(json.dumps([dict(file.document) for file in shown]))
    else:
        tabulate(
            ("file", "category", "created", "name", "bytes", "expires"),
            [_row(file) for file in shown],
            empty="there is no file that fits; media-analysis upload PATH brings one",
            piped=("created",),
        )
    if len(found) > limit:
        report(f"there are more; {limit:,} are shown")


def filters(
    category: Category | None, label: list[str] | None, owner: str | None, expiring_before: str | None
) -> dict[str, Any]:
    """Return which files are meant, as the client takes it."""
    before: datetime | None = None if expiring_before is None else parse_instant("--expiring-before", expiring_before)
    return {
        "category": None if category is None else category.value,
        "labels": label or None,
        "owner": owner,
        "expires_before": before,
    }


def _row(file: File) -> tuple[Any, ...]:
    size = None if file.size_bytes is None else SizeCell(file.size_bytes)
    ends = f"held: {file.hold_reason or 'by its job'}" if file.held else file.expires_at or "never"
    return (file.id, file.category, file.created_at, file.filename, size, ends)
