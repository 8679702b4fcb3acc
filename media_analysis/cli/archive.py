"""`media-analysis archive`: pack runs, list what is archived, prove it, bring it back, take it out of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from media_analysis.cli.archive_download import download
from media_analysis.cli.archive_restore import archive_restore
from media_analysis.cli.archive_run import archive_run
from media_analysis.cli.archive_verify import archive_verify
from media_analysis.cli.console import ConfigFile, DataDir, json_instant, load, out, report, run
from media_analysis.cli.grammar import parse_instant
from media_analysis.cli.services import with_services
from media_analysis.cli.tables import Cell, Folder, SizeCell, tabulate

if TYPE_CHECKING:
    from media_analysis.archive.catalog import ArchivedPage, ArchivedRun
    from media_analysis.archive.watching import Held
    from media_analysis.runtime import Runtime


app = typer.Typer(
    help="Pack runs, list and prove archives, bring runs back.", no_args_is_help=True, add_completion=False
)
app.command("run")(archive_run)
app.command("verify")(archive_verify)
app.command("restore")(archive_restore)
app.command("download")(download)


@app.command("list")
def list_archived(
    *,
    owner: Annotated[str | None, typer.Option(help="Only of this owner", show_default=False)] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="WHEN", help="Archived from then on", show_default=False)
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="WHEN", help="Archived before then; of a day, all of it counts", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the last archived first")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print archived runs, the last archived first."""
    from media_analysis.archive.catalog import ArchivedFilter
    from media_analysis.archive.watching import Held, TaskWatch

    first = None if from_ is None else parse_instant("--from", from_)
    last = None if to is None else parse_instant("--to", to, ends=True)
    wanted = ArchivedFilter(owner=owner, archived_after=first, archived_before=last)

    async def work(runtime: Runtime) -> tuple[ArchivedPage, Mapping[UUID, Held]]:
        page = await runtime.archives.catalog.list(wanted, after=None, limit=limit)
        return page, await TaskWatch(runtime.db).sum_held([each.job.id for each in page.jobs])

    page, held_of = run(with_services(load(config, data_dir).settings, work))
    held = [held_of.get(each.job.id, Held(0, 0)) for each in page.jobs]
    if as_json:
        out.print_json(json.dumps([_document(*each) for each in zip(page.jobs, held, strict=True)]))
    else:
        header = ("job", "run", "owner", "archived", "ends", "files", "bytes", "packed")
        rows = [_row(*each) for each in zip(page.jobs, held, strict=True)]
        tabulate(header, rows, empty="no run is archived that fits", piped=("run", "bytes"))
    if page.next_after is not None:
        report(f"there are more; the {limit} last archived are shown")


def _row(archived: ArchivedRun, held: Held) -> tuple[Cell, ...]:
    job = archived.job
    return (
        *(job.id, Folder(job.folder_name), job.owner, job.archived_at, job.expires_at or "never"),
        *(held.files, SizeCell(held.size_bytes), SizeCell(archived.size_bytes)),
    )


def _document(archived: ArchivedRun, held: Held) -> dict[str, Any]:
    job = archived.job
    instants = {"archived_at": job.archived_at, "expires_at": job.expires_at, "completed_at": job.completed_at}
    return {
        "job_id": str(job.id),
        "folder_name": job.folder_name,
        "owner": job.owner,
        **{name: json_instant(at) for name, at in instants.items()},
        "files": held.files,
        "size_bytes": held.size_bytes,
        "packed_bytes": archived.size_bytes,
        "segments": [segment.filename for segment in archived.segments],
    }
