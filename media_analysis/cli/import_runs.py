"""`media-analysis import-runs`: old runs and archives become runs of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, err, load, out, run
from media_analysis.cli.grammar import parse_amount, parse_owner
from media_analysis.cli.import_ import destination_of, require_directory
from media_analysis.cli.progress import counting_bar
from media_analysis.cli.services import open_services

if TYPE_CHECKING:
    from media_analysis.imports.runs.outcomes import ImportReport
    from media_analysis.imports.runs.service import RunImportService
    from media_analysis.imports.runs.terms import ImportRequest
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings


def import_runs(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the old runs and archives lie")],
    *,
    owner: Annotated[str, typer.Option(help="Whose they become")] = "admin",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of each")] = False,
    rename: Annotated[
        bool, typer.Option("--rename", help="Name folders that are called by their bare id after their run")
    ] = False,
    accept_past_ends: Annotated[
        bool, typer.Option("--accept-past-ends", help="Let what is past its end go with the next sweep")
    ] = False,
    over_quota: Annotated[bool, typer.Option("--over-quota", help="Files even beyond a category's quota")] = False,
    max_size: Annotated[str, typer.Option(metavar="SIZE", help="The most that one archive may hold")] = "100GiB",
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Import old runs and their archives; exit code 1 when one was refused.

    Folders below DIR named {uuid} or YYYYMMDD_HHMMSS_{uuid} become jobs with their files, by copy or, inside the
    store, where they lie. Archives, DIR/YYYY/MM/*.tar.gz (.bz2, .xz, .zst) or below DIR/archives, become archived
    jobs once all of them has been read and proven. Interrupted, the same command goes on where it stopped.
    """
    from media_analysis.cli.import_report import document_of, print_report
    from media_analysis.imports.runs.terms import ImportRequest

    whose = parse_owner(owner)
    require_directory(directory)
    request = ImportRequest(
        directory=directory,
        owner=whose,
        actor="command line",
        dry_run=dry_run,
        rename=rename,
        accept_past_ends=accept_past_ends,
        over_quota=over_quota,
        max_bytes=parse_amount("--max-size", max_size),
    )
    report = run(_import(load(config, data_dir).settings, request))
    if as_json:
        out.print_json(json.dumps(document_of(report)))
    else:
        print_report(report)
    if report.failed:
        raise typer.Exit(1)


async def _import(settings: Settings, request: ImportRequest) -> ImportReport:
    async with open_services(settings) as runtime:
        service = run_import_of(runtime)
        if not err.is_terminal:
            return await service.run(request)
        with counting_bar() as bar:
            task = bar.add_task("importing", total=None)
            return await service.run(
                request,
                progress=lambda so_far, total: bar.update(task, completed=len(so_far.outcomes), total=total),
            )


def run_import_of(runtime: Runtime) -> RunImportService:
    """Return the service that imports runs with this process's collaborators."""
    from media_analysis.archive.format.compression import Compression
    from media_analysis.imports.runs.archives import ArchiveImporter
    from media_analysis.imports.runs.files import FileImporter
    from media_analysis.imports.runs.runs import RunImporter
    from media_analysis.imports.runs.service import RunImportService
    from media_analysis.imports.runs.terms import RunTerms

    copier, chosen = destination_of(runtime).copier, runtime.settings.archive
    terms = runtime.archives.requests.terms
    ends = RunTerms(terms.after, terms.kept_for)
    return RunImportService(
        db=runtime.db,
        store=runtime.store,
        runs=RunImporter(runtime.db, FileImporter(runtime.db, copier), ends),
        archives=ArchiveImporter(
            runtime.db, runtime.store, runtime.uploads, copier, ends, Compression(chosen.compression)
        ),
        room=runtime.retention.pressure,
    )
