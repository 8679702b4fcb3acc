"""`media-analysis job files` and `job results`: what a job brought."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, out
from media_analysis.cli.ids import JobId
from media_analysis.cli.job_desk import IsLocal, open_desk
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from media_analysis.client.answers import File


def files(
    job: JobId,
    *,
    category: Annotated[Category | None, typer.Option(help="Only of this category", show_default=False)] = None,
    as_json: AsAnswered = False,
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the files a job has, in time order."""
    desk = open_desk(is_local=local, data_dir=data_dir, config=config)
    found = desk.files(job, category=None if category is None else category.value)
    if as_json:
        out.print_json(json.dumps([dict(file.document) for file in found]))
        return
    tabulate(
        ("file", "category", "role", "at", "name", "bytes", "expires"),
        [
            (
                *(file.id, file.category, _place(file), _seconds_in(file), file.filename),
                *(SizeCell(file.size_bytes or 0), file.expires_at or "never"),
            )
            for file in found
        ],
        empty="the job has no files",
        piped=("at",),
    )


def results(
    job: JobId,
    *,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, such as probe", show_default=False)] = None,
    local: IsLocal = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the documents a job brought, as JSON."""
    found = open_desk(is_local=local, data_dir=data_dir, config=config).results(job, kind=kind)
    out.print_json(json.dumps([dict(result.document) for result in found]))


def _place(file: File) -> str:
    return "" if file.role is None else f"{file.role} {file.ordinal}"


def _seconds_in(file: File) -> str:
    return "" if file.instant_seconds is None else f"{file.instant_seconds:.3f} s"
