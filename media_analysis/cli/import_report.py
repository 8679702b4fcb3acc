"""What became of imported runs and archives, for people and for programs."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from media_analysis.cli.console import complain, instant, json_instant, say
from media_analysis.cli.tables import Cell, SizeCell, tabulate
from media_analysis.imports.runs.outcomes import Fate, ImportOutcome, ImportReport, Subject
from media_analysis.units import round_size

TOLD: Final = (Fate.IMPORTED, Fate.PLANNED, Fate.KNOWN)


def print_report(report: ImportReport) -> None:
    """Print what became of each, and how many there were."""
    told = [each for each in report.outcomes if each.fate in TOLD and each.life is not None]
    if told:
        header = ("", "name", "fate", "files", "bytes", "created", "archived", "deleted")
        tabulate(header, [_row(each) for each in told], piped=("created", "archived"))
    for each in _fated(report, Fate.SKIPPED):
        say(f"skipped {each.name}: {each.reason}")
    for each in _fated(report, Fate.REFUSED):
        complain(f"{each.name}: {each.reason}")
    _point_out(told)
    fate, word = (Fate.PLANNED, "would import") if report.dry_run else (Fate.IMPORTED, "imported")
    done = _fated(report, fate)
    runs, archives = (sum(each.subject is subject for each in done) for subject in (Subject.RUN, Subject.ARCHIVE))
    files, size_bytes = sum(each.files for each in done), sum(each.size_bytes for each in done)
    counts = {name: len(_fated(report, name)) for name in (Fate.KNOWN, Fate.SKIPPED, Fate.REFUSED)}
    say(
        f"{word} {runs} runs and {archives} archives with {files} files, {round_size(size_bytes)}; "
        f"{counts[Fate.KNOWN]} were known already, {counts[Fate.SKIPPED]} skipped, {counts[Fate.REFUSED]} refused"
    )


def _point_out(told: Iterable[ImportOutcome]) -> None:
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


def _fated(report: ImportReport, fate: Fate) -> Sequence[ImportOutcome]:
    return [each for each in report.outcomes if each.fate is fate]


def _row(each: ImportOutcome) -> tuple[Cell, ...]:
    life = each.life
    dates = [life.created_at, life.archive_at, life.end_at] if life is not None else [None] * 3
    return (
        *(each.subject.value, each.name.rpartition("/")[2], each.fate.value),
        *(each.files, SizeCell(each.size_bytes)),
        *dates,
    )


def document_of(report: ImportReport) -> dict[str, Any]:
    """Return the outcome as JSON knows it."""
    return {
        "in_place": report.in_place,
        "dry_run": report.dry_run,
        "counts": {fate.value: len(_fated(report, fate)) for fate in Fate},
        "outcomes": [_told(each) for each in report.outcomes],
    }


def _told(each: ImportOutcome) -> dict[str, Any]:
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
        "created_at": None if life is None else json_instant(life.created_at),
        "archive_at": None if life is None else json_instant(life.archive_at),
        "end_at": None if life is None else json_instant(life.end_at),
        "past_end": life is not None and life.past_end,
        "kept_until": json_instant(each.kept_until),
        "due_at_once": each.due_at_once,
        "renamed": each.renamed,
    }
