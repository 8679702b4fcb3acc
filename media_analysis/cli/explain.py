"""`media-analysis explain`: why a file or a job is still there, when it goes, and what happened to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer
from rich.text import Text

from media_analysis.characters import escape_controls
from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, load, out, run
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import file_id, id_argument, job_id
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import Cell, SizeCell, tabulate
from media_analysis.units import format_instant, round_size

if TYPE_CHECKING:
    from media_analysis.retention.explain.archival import RunArchival
    from media_analysis.retention.explain.explanation import Blocker, Explanation
    from media_analysis.retention.explain.jobs import JobExplanation, PartSum
    from media_analysis.retention.explain.places import ArchivePlace
    from media_analysis.retention.explain.summary import JobSummary
    from media_analysis.retention.explain.timeline import Moment
    from media_analysis.settings import Settings

MOST_FILES: Final = 20
"""Of a job; the API tells them all."""
_VERBS: Final = {
    "keep": "stays; nothing in sight ends that",
    "trash": "goes to the trash",
    "delete": "is deleted",
    "purge": "loses its bytes for good",
    "done": "is gone, bytes and all",
}


def explain(
    target: Annotated[IdPart, id_argument("A file, or with --job a job")],
    *,
    job: Annotated[bool, typer.Option("--job", help="The id is that of a job, with all its files")] = False,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Say when a file or a job goes, by which rule, what blocks it, and what happened so far; deleted files, too."""
    from media_analysis.retention.explain.jobs import JobExplanation
    from media_analysis.retention.explain.summary import JobSummary

    told = run(_explain(load(config, data_dir).settings, target, job=job))
    if as_json:
        out.print_json(json.dumps(_document(told)))
    elif isinstance(told, JobExplanation):
        _print_job(told)
    elif isinstance(told, JobSummary):
        _print_summary(told)
    else:
        _print_file(told)


async def _explain(settings: Settings, target: IdPart, *, job: bool) -> Explanation | JobExplanation | JobSummary:
    async with open_services(settings) as runtime:
        if job:
            return await runtime.retention.explanations.explain_job(
                await job_id(runtime, target), owner=None, before=None, limit=MOST_FILES
            )
        return await runtime.retention.explanations.explain(await file_id(runtime, target), owner=None)


def _document(told: Explanation | JobExplanation | JobSummary) -> Any:
    from media_analysis.api.schemas.job_summary import job_document
    from media_analysis.api.schemas.retention import FileRetention
    from media_analysis.retention.explain.explanation import Explanation

    document = FileRetention.model_validate(told) if isinstance(told, Explanation) else job_document(told)
    return document.model_dump(mode="json")


def _print_file(told: Explanation) -> None:
    from media_analysis.retention.explain.explanation import NextAction

    rests = told.archive is not None and told.action is not NextAction.DONE
    goes = f"its archive {_next(told)}" if rests else _next(told)
    _say(f"file {told.file_id} ({told.category.value}) is {told.state.value} by {told.rule.value}: {goes}")
    if told.labels:
        _say(f"it is labelled {', '.join(f'{key}:{value}' for key, value in told.labels.items())}")
    for sentence in _place(told.archive):
        _say(sentence)
    for sentence in _circumstances(told):
        _say(sentence)
    _print_blockers(told.blockers)
    if told.losing_rules:
        rows = [(loser.rule.value, loser.effect.value, loser.at, loser.reason) for loser in told.losing_rules]
        tabulate(("losing rule", "would", "at", "why not"), rows)
    if told.next_steps:
        tabulate(("next step", "at", "rule"), [(step.step, step.at, step.rule.value) for step in told.next_steps])
    if told.analyses:
        told_of = [(one.kind, one.state.value, one.reason or "-", one.job_id or "-", one.at) for one in told.analyses]
        tabulate(("by itself", "is", "reason", "job", "at"), told_of)
    _print_timeline(told.timeline)


def _print_summary(told: JobSummary) -> None:
    audit = told.audit
    back = "" if told.restorable_until is None else f"; it can be restored until {_instant(told.restorable_until)}"
    _say(f"job {audit.job_id} ({audit.name}, {audit.kind}, {audit.status}) is deleted{back}")
    _say(f"deleted at {_instant(audit.deleted_at)} by {audit.deleted_by}: {audit.reason or 'no reason given'}")
    _say(f"{audit.files} files, {round_size(audit.size_bytes)}, went with it")
    if audit.archived_at is not None:
        _say(f"archived at {_instant(audit.archived_at)}")
    _print_timeline(told.timeline)


def _print_job(told: JobExplanation) -> None:
    files, size_bytes = sum(one.files for one in told.sums), sum(one.size_bytes for one in told.sums)
    what = "no files" if told.first is None else f"{files} files, {round_size(size_bytes)}"
    _say(f"job {told.job.id} is {told.job.status.value}: {what}")
    if told.first is not None:
        _say(f"first to go: file {told.first.file_id}, {told.first.state.value} by {told.first.rule.value}")
        _say(f"it {_next(told.first)}")
    for sentence in _archival(told.job.id, told.archival):
        _say(sentence)
    if told.results.count:
        earliest = told.results.earliest
        _say(f"{told.results.count} results" + (f", the first expires at {_instant(earliest)}" if earliest else ""))
    if told.sums:
        tabulate(
            ("category", "state", "files", "bytes", "held", "first goes", "last goes"),
            [_part(one) for one in told.sums],
            piped=("held", "last goes"),
        )
    _print_blockers(told.blockers)
    if told.items:
        rows = [(file.file_id, file.state.value, file.action.value, file.at, file.rule.value) for file in told.items]
        tabulate(("file", "state", "next", "at", "rule"), rows)
    _print_timeline(told.timeline)


def _place(place: ArchivePlace | None) -> Iterator[str]:
    if place is None:
        return
    kept = "" if place.kept_until is None else f", kept until {_instant(place.kept_until)}"
    yield f"it went into the archive of job {place.job_id} at {_instant(place.archived_at)}{kept}"
    if place.available:
        yield f"read it there: media-analysis archive download {place.job_id} --member {place.file_id}"
        yield f"or bring it back: media-analysis archive restore {place.job_id} --file {place.file_id}"
    elif place.gone_at is not None:
        why = "" if place.gone_reason is None else f" ({place.gone_reason})"
        yield f"that archive was deleted at {_instant(place.gone_at)} by {place.gone_by}{why}"


def _archival(job_id: UUID, told: RunArchival) -> Iterator[str]:
    if told.segments.files:
        holds = f"{told.originals.files} files of {round_size(told.originals.size_bytes)}"
        size = round_size(told.segments.size_bytes)
        yield f"its archive takes {size} for {holds}, in {told.segments.files} segments"
    if told.archived_at is not None:
        yield f"it is archived since {_instant(told.archived_at)}"
        yield f"bring it back: media-analysis archive restore {job_id}"
    elif told.due_at is not None:
        starts = told.reason if told.starts_at is None else f"the schedule takes it at {_instant(told.starts_at)}"
        yield f"it is to be archived from {_instant(told.due_at)} on; {starts}"
    if told.deletes_at is not None:
        yield f"all of it goes, with its archive, from {_instant(told.deletes_at)} on"
    for blocker in told.blockers:
        yield f"not archived {_blocked(blocker)}"
    if told.failure is not None:
        failed = told.failure
        yield f"the last {failed.kind} failed at {_instant(failed.at)}: {failed.code} ({failed.reason})"


def _part(part: PartSum) -> tuple[Cell, ...]:
    last = None if part.for_ever else part.latest
    amounts = (part.files, SizeCell(part.size_bytes), part.held)
    return (part.category.value, part.state.value, *amounts, part.earliest, last)


def _next(told: Explanation) -> str:
    verb = _VERBS[told.action]
    if told.at is None:
        return verb
    swept = "" if told.swept_at is None else f" (swept at {_instant(told.swept_at)})"
    return f"{verb} at {_instant(told.at)}{swept}"


def _circumstances(told: Explanation) -> Iterator[str]:
    if told.policy_version is not None:
        yield f"policy {told.policy_version}"
    if told.eviction_rank is not None:
        least = "at least " if told.eviction_rank_capped else ""
        yield f"under pressure on its category it is number {least}{told.eviction_rank} to go"
    if told.attempts or told.last_error:
        given_up = ", given up" if told.dead_letter else ""
        yield f"attempts to remove its bytes: {told.attempts}{given_up}; last error: {told.last_error or 'none'}"


def _print_blockers(blockers: Sequence[Blocker]) -> None:
    for blocker in blockers:
        _say(f"blocked {_blocked(blocker)}")


def _blocked(blocker: Blocker) -> str:
    from media_analysis.retention.explain.explanation import Barrier, BarrierScope

    of = "" if blocker.scope is BarrierScope.FILE else f" of its {blocker.scope.value}"
    if blocker.rule is Barrier.PAUSED:
        of = "" if blocker.scope is BarrierScope.EVERYTHING else " in its category"
    until = "until somebody acts" if blocker.until is None else f"until {_instant(blocker.until)}"
    by = "" if blocker.by is None else f" by {blocker.by}"
    by += "".join(f" {job_id}" for job_id in blocker.job_ids)
    return f"{until}: {blocker.rule.value}{of}{by}{'' if blocker.reason is None else f' ({blocker.reason})'}"


def _print_timeline(moments: Sequence[Moment]) -> None:
    from rich.table import Table

    rows = [(_instant(moment.at), moment.event, moment.actor or "", describe_why(moment)) for moment in moments]
    if not out.is_terminal:
        tabulate(("at", "event", "by", "why"), rows)
        return
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for number, (at, event, actor, why) in enumerate(rows):
        mark = "└" if number == len(rows) - 1 else "├" if number else "┌"
        table.add_row(
            Text(mark, "dim"),
            Text(at, "dim"),
            Text(event, "bold"),
            Text(escape_controls(actor)),
            Text(escape_controls(why)),
        )
    out.print(table)


def describe_why(moment: Moment) -> str:
    rule = None if moment.rule is None else moment.rule.value
    known = {None, moment.actor, moment.reason, rule}
    parts = [rule, moment.reason]
    parts += [f"{name}: {value}" for name, value in moment.details.items() if value not in known]
    parts.append(None if moment.sweep_id is None else f"sweep {moment.sweep_id}")
    return "; ".join(part for part in parts if part)


def _instant(instant: datetime | None) -> str:
    return "" if instant is None else format_instant(instant)


def _say(sentence: str) -> None:
    out.print(Text(escape_controls(sentence)), soft_wrap=True)
