"""`media-analysis import-runs`: old runs and archives become runs of ours."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from media_analysis.archive.adoption.archives import ArchiveAdopter
from media_analysis.archive.adoption.files import FileAdopter
from media_analysis.archive.adoption.outcomes import Fate, ImportReport, Outcome, Subject
from media_analysis.archive.adoption.runs import RunAdopter
from media_analysis.archive.adoption.service import RunImportService
from media_analysis.archive.adoption.storing import ArchiveUpload
from media_analysis.archive.adoption.terms import MAX_BYTES, Ends, ImportRequest
from media_analysis.cli.console import ConfigFile, DataDir, complain, err, load, out, run, tabulate
from media_analysis.cli.import_ import adoption_of, require_owner
from media_analysis.cli.job_terms import instant, say
from media_analysis.cli.services import open_services
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings, format_size

GIB: Final = 2**30
TOLD: Final = (Fate.ADOPTED, Fate.PLANNED, Fate.KNOWN)


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
    max_gib: Annotated[
        float, typer.Option("--max-gib", min=0, help="The most GiB that one archive may hold")
    ] = MAX_BYTES / GIB,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Adopt old runs and their archives; exit code 1 when one was refused.

    Folders below DIR named {uuid} or YYYYMMDD_HHMMSS_{uuid} become jobs with their files, by copy or, inside the
    store, where they lie. Archives, DIR/YYYY/MM/*.tar.gz (.bz2, .xz, .zst) or below DIR/archives, become archived
    jobs once all of them has been read and proven. Interrupted, the same command goes on where it stopped.
    """
    require_owner(owner)
    request = ImportRequest(
        directory=directory,
        owner=owner,
        requested_by="command line",
        dry_run=dry_run,
        rename=rename,
        accept_past_ends=accept_past_ends,
        over_quota=over_quota,
        max_bytes=int(max_gib * GIB),
    )
    report = run(_import(load(config, data_dir).settings, request))
    if as_json:
        out.print_json(json.dumps(_document(report)))
    else:
        _print(report)
    if report.failed:
        raise typer.Exit(1)


async def _import(settings: Settings, request: ImportRequest) -> ImportReport:
    async with open_services(settings) as runtime:
        service = run_import_of(runtime)
        if not err.is_terminal:
            return await service.run(request)
        columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err) as bar:
            task = bar.add_task("import", total=None)
            return await service.run(
                request,
                progress=lambda so_far, total: bar.update(task, completed=len(so_far.outcomes), total=total),
            )


def run_import_of(runtime: Runtime) -> RunImportService:
    """Return the service that imports runs with this process's collaborators."""
    copier, options = adoption_of(runtime).copier, runtime.archives.options
    ends = Ends(options.terms.after, options.terms.kept_for)
    upload = ArchiveUpload(runtime.db, runtime.store, runtime.registrar, runtime.deleter, options.reserve_bytes)
    return RunImportService(
        db=runtime.db,
        store=runtime.store,
        runs=RunAdopter(runtime.db, FileAdopter(runtime.db, copier), ends),
        archives=ArchiveAdopter(runtime.db, upload, copier, ends, options.compression),
    )


def _print(report: ImportReport) -> None:
    told = [each for each in report.outcomes if each.fate in TOLD and each.life is not None]
    if told:
        header = ("", "name", "fate", "files", "bytes", "created", "archived", "deleted")
        tabulate(header, [_row(each) for each in told])
    for each in _fated(report, Fate.SKIPPED):
        say(f"skipped {each.name}: {each.reason}")
    for each in _fated(report, Fate.REFUSED):
        complain(f"{each.name}: {each.reason}")
    _point_out(told)
    fate, word = (Fate.PLANNED, "would adopt") if report.dry_run else (Fate.ADOPTED, "adopted")
    done = _fated(report, fate)
    runs, archives = (sum(each.subject is subject for each in done) for subject in (Subject.RUN, Subject.ARCHIVE))
    files, size_bytes = sum(each.files for each in done), sum(each.size_bytes for each in done)
    counts = {name: len(_fated(report, name)) for name in (Fate.KNOWN, Fate.SKIPPED, Fate.REFUSED)}
    say(
        f"{word} {runs} runs and {archives} archives with {files} files, {format_size(size_bytes)}; "
        f"{counts[Fate.KNOWN]} were known already, {counts[Fate.SKIPPED]} skipped, {counts[Fate.REFUSED]} refused"
    )


def _point_out(told: Iterable[Outcome]) -> None:
    """Say what is over, or nearly so."""
    for each in told:
        if each.kept_until is not None:
            say(f"{each.name} is past its end: it is kept until {instant(each.kept_until)}")
        elif each.life is not None and each.life.past_end and each.fate is not Fate.KNOWN:
            say(f"{each.name} is past its end: the next sweep takes it")
        if each.due_at_once:
            say(f"{each.name}: {each.due_at_once} files are past their lifetime: the next sweep takes them")
        if each.skipped:
            say(f"{each.name}: skipped " + ", ".join(f"{count} ({why})" for why, count in sorted(each.skipped.items())))


def _fated(report: ImportReport, fate: Fate) -> Sequence[Outcome]:
    return [each for each in report.outcomes if each.fate is fate]


def _row(each: Outcome) -> tuple[str, ...]:
    life = each.life
    dates = [life.created_at, life.archive_at, life.end_at] if life is not None else [None] * 3
    return (
        *(each.subject.value, each.name.rpartition("/")[2], each.fate.value),
        *(str(each.files), format_size(each.size_bytes)),
        *(instant(at) for at in dates),
    )


def _document(report: ImportReport) -> dict[str, Any]:
    return {
        "in_place": report.in_place,
        "dry_run": report.dry_run,
        "counts": {fate.value: len(_fated(report, fate)) for fate in Fate},
        "outcomes": [_told(each) for each in report.outcomes],
    }


def _told(each: Outcome) -> dict[str, Any]:
    life = each.life
    return {
        "name": each.name,
        "subject": each.subject.value,
        "fate": each.fate.value,
        "reason": each.reason,
        "job_id": None if each.job_id is None else str(each.job_id),
        "folder_name": each.folder_name,
        "files": each.files,
        "size_bytes": each.size_bytes,
        "known_files": each.known,
        "skipped_files": {why.value: count for why, count in sorted(each.skipped.items())},
        "created_at": None if life is None else _iso(life.created_at),
        "archive_at": None if life is None else _iso(life.archive_at),
        "end_at": None if life is None else _iso(life.end_at),
        "past_end": life is not None and life.past_end,
        "kept_until": _iso(each.kept_until),
        "due_at_once": each.due_at_once,
        "renamed": each.renamed,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
