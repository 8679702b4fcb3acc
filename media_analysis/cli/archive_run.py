"""`media-analysis archive run`: pack runs now, those that are due or those that are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from media_analysis.cli.archive_work import work_off
from media_analysis.cli.console import ConfigFile, DataDir, complain, json_instant, load, out, report, run, say
from media_analysis.cli.grammar import IdPart, parse_id
from media_analysis.cli.ids import job_ids
from media_analysis.cli.services import ACTOR, open_services
from media_analysis.cli.tables import Cell, Folder, SizeCell, tabulate
from media_analysis.errors import MediaAnalysisError, Unavailable
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.archive.models import ArchiveTaskStatus
    from media_analysis.archive.rehearsal import ArchiveCandidate
    from media_analysis.archive.watching import Named
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

TRIGGER: Final = "cli"


@dataclass
class Packed:
    """What became of the runs that were to be archived, and why some were not begun."""

    tasks: Sequence[Named] = ()
    refusals: dict[UUID, str] = field(default_factory=dict)

    def ended(self, status: ArchiveTaskStatus) -> list[Named]:
        return [each for each in self.tasks if each.task.status is status]


@dataclass
class Rehearsed:
    """What would be archived, and why some of what was named would not."""

    candidates: list[ArchiveCandidate] = field(default_factory=list)
    refusals: dict[UUID, str] = field(default_factory=dict)


def archive_run(
    jobs: Annotated[
        list[IdPart] | None,
        typer.Argument(metavar="[ID]...", help="Only these runs, however young", parser=parse_id, show_default=False),
    ] = None,
    *,
    all_due: Annotated[
        bool, typer.Option("--all-due", help="Also all that are due; the default where no run is named")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be archived")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Archive runs, each proven before its originals go, and print what it took; exit code 1 when one failed.

    What else waits to be archived or restored is worked off with them.
    """
    from media_analysis.archive.models import ArchiveTaskStatus

    settings, named = load(config, data_dir).settings, jobs or ()
    due = all_due or not named
    if dry_run:
        rehearsed = run(_rehearse(settings, named, due=due))
        _print_rehearsed(rehearsed, settings, as_json=as_json)
        failed = bool(rehearsed.refusals)
    else:
        packed = run(_pack(settings, named, due=due))
        _print_packed(packed, as_json=as_json)
        failed = bool(packed.refusals or packed.ended(ArchiveTaskStatus.FAILED))
    if failed:
        raise typer.Exit(1)


async def _pack(settings: Settings, named: Sequence[IdPart], *, due: bool) -> Packed:
    packed, ids = Packed(), list[UUID]()
    async with open_services(settings) as runtime:
        requests = runtime.archives.requests
        for wanted in await job_ids(runtime, named):
            try:
                task = await requests.request_archive(wanted, owner=None, actor=ACTOR, trigger=TRIGGER)
            except Unavailable:
                raise
            except MediaAnalysisError as error:
                packed.refusals[wanted] = str(error)
            else:
                ids.append(task.id)
        if due:
            await requests.request_due(actor=ACTOR, trigger=TRIGGER)
            ids = list(dict.fromkeys(ids + await _waiting(runtime)))
        packed.tasks = await work_off(runtime, "archiving", ids) if ids else ()
    return packed


async def _waiting(runtime: Runtime) -> list[UUID]:
    """Return all that waits: what is due may have been asked for before, by the schedule."""
    from media_analysis.archive.models import ArchiveTaskKind
    from media_analysis.archive.watching import TaskWatch

    return list(await TaskWatch(runtime.db).list_waiting(ArchiveTaskKind.ARCHIVE))


async def _rehearse(settings: Settings, named: Sequence[IdPart], *, due: bool) -> Rehearsed:
    from media_analysis.archive.rehearsal import Rehearsal

    rehearsed = Rehearsed()
    async with open_services(settings) as runtime:
        rehearsal = Rehearsal(runtime.db, runtime.archives.requests.terms)
        for wanted in await job_ids(runtime, named):
            try:
                rehearsed.candidates.append(await rehearsal.require_candidate(wanted, owner=None))
            except Unavailable:
                raise
            except MediaAnalysisError as error:
                rehearsed.refusals[wanted] = str(error)
        if due:
            known = {each.job_id for each in rehearsed.candidates}
            rehearsed.candidates += [each for each in await rehearsal.list_due() if each.job_id not in known]
    return rehearsed


def _print_rehearsed(rehearsed: Rehearsed, settings: Settings, *, as_json: bool) -> None:
    size_bytes = sum(each.size_bytes for each in rehearsed.candidates)
    if as_json:
        runs = [
            {
                "job_id": str(each.job_id),
                "folder_name": each.folder_name,
                "owner": each.owner,
                "ended_at": json_instant(each.ended_at),
                "size_bytes": each.size_bytes,
            }
            for each in rehearsed.candidates
        ]
        _print_json({"dry_run": True, "runs": runs, "size_bytes": size_bytes}, rehearsed.refusals)
        return
    if rehearsed.candidates:
        tabulate(
            ("job", "run", "owner", "ended", "bytes"),
            [
                (each.job_id, Folder(each.folder_name), each.owner, each.ended_at, SizeCell(each.size_bytes))
                for each in rehearsed.candidates
            ],
        )
    _complain(rehearsed.refusals)
    say(f"would archive {len(rehearsed.candidates)} runs, {round_size(size_bytes)}")
    budget = settings.archive.budget_bytes
    if budget is not None and size_bytes > budget:
        report(f"one time takes the first {round_size(budget)} of what is due, as archive.budget_bytes says")


def _print_packed(packed: Packed, *, as_json: bool) -> None:
    from media_analysis.archive.models import ArchiveTaskStatus

    if as_json:
        _print_json({"runs": [_document(each) for each in packed.tasks]}, packed.refusals)
        return
    done, failed = packed.ended(ArchiveTaskStatus.COMPLETED), packed.ended(ArchiveTaskStatus.FAILED)
    if done:
        header = ("job", "run", "files", "bytes", "packed", "ratio", "seconds")
        tabulate(header, [_row(each) for each in done])
    _complain(packed.refusals)
    for each in failed:
        complain(f"{_name(each)}: {each.task.error}")
    before, after = (sum(each.task.stats[name] for each in done) for name in ("size_bytes", "packed_bytes"))
    failures = len(failed) + len(packed.refusals)
    say(f"archived {len(done)} runs, {round_size(before)} as {round_size(after)}; {failures} failed")
    if left := packed.ended(ArchiveTaskStatus.PENDING):
        report(f"{len(left)} runs are left for the next time: archive.budget_seconds is over")


def _row(each: Named) -> tuple[Cell, ...]:
    stats = each.task.stats
    return (
        *(each.task.job_id, Folder(each.folder_name)),
        *(stats["files"], SizeCell(stats["size_bytes"]), SizeCell(stats["packed_bytes"])),
        *(f"{stats['packed_bytes'] / stats['size_bytes']:.2f}" if stats["size_bytes"] else "", f"{stats['seconds']}"),
    )


def _document(each: Named) -> dict[str, Any]:
    task = each.task
    told: dict[str, Any] = {
        "job_id": str(task.job_id),
        "folder_name": each.folder_name,
        "status": task.status.value,
        "stats": task.stats,
    }
    if task.error is not None:
        told["error"] = {"code": task.error_code, "detail": task.error}
    return told


def _name(each: Named) -> str:
    return each.folder_name or str(each.task.job_id)


def _complain(refusals: dict[UUID, str]) -> None:
    for job_id, reason in refusals.items():
        complain(f"{job_id}: {reason}")


def _print_json(document: dict[str, Any], refusals: dict[UUID, str]) -> None:
    refused = [{"job_id": str(job_id), "reason": reason} for job_id, reason in refusals.items()]
    out.print_json(json.dumps({**document, "refused": refused}))
