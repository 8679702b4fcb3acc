"""`media-analysis archive restore`: bring an archived run, or one file of it, back into the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analysis.cli.archive_work import work_off
from media_analysis.cli.console import ConfigFile, DataDir, complain, json_instant, load, out, run, say
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import JobId, file_id, id_option, job_id
from media_analysis.cli.services import ACTOR, open_services
from media_analysis.units import format_instant, round_size

if TYPE_CHECKING:
    from media_analysis.archive.models import ArchiveTask
    from media_analysis.archive.watching import LivingFiles
    from media_analysis.retention.restoring import Restoration
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings


def archive_restore(
    job: JobId,
    *,
    file: Annotated[IdPart | None, id_option("--file", "Only this file of it")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Bring a run back under the ids it had, all or nothing, and say until when it stays; 1 when that failed.

    A run that was deleted comes out of the trash first. What else waits to be archived or restored is worked off too.
    """
    from media_analysis.archive.models import ArchiveTaskStatus
    from media_analysis.retention.restoring import Restoration

    done = run(_restore(load(config, data_dir).settings, job, file))
    if isinstance(done, Restoration):
        _tell(f"restored {done.restored} files, skipped {done.skipped}", done._asdict(), as_json=as_json)
        return
    task, ends = done
    if task.status is not ArchiveTaskStatus.COMPLETED:
        complain(f"{task.job_id} was not restored: {task.error}")
        raise typer.Exit(1)
    said = f"restored {task.stats['files']} files, {round_size(task.stats['size_bytes'])}; {_until(ends)}"
    instants = {"first_ends_at": ends.first_at, "last_ends_at": ends.last_at}
    told = {name: json_instant(at) for name, at in instants.items()}
    _tell(said, {**task.stats, **told, "without_end": ends.endless}, as_json=as_json)


async def _restore(
    settings: Settings, part: IdPart, member: IdPart | None
) -> Restoration | tuple[ArchiveTask, LivingFiles]:
    from media_analysis.archive.watching import TaskWatch
    from media_analysis.retention.restoring import Restoration

    async with open_services(settings) as runtime:
        job = await job_id(runtime, part)
        file = None if member is None else await file_id(runtime, member)
        asked = await runtime.returns.restore(job, owner=None, actor=ACTOR, file_id=file)
        if isinstance(asked, Restoration):
            return asked
        task = await _work_off(runtime, asked)
        return task, await TaskWatch(runtime.db).ends(job, file)


async def _work_off(runtime: Runtime, asked: ArchiveTask) -> ArchiveTask:
    (ended,) = await work_off(runtime, "restoring", [asked.id])
    return ended.task


def _until(ends: LivingFiles) -> str:
    if ends.first_at is None or ends.last_at is None:
        return "they live until they are deleted"
    first, last = (format_instant(at) for at in (ends.first_at, ends.last_at))
    span = f"until {first}" if first == last else f"until {first} the first, {last} the last"
    return f"they live {span}" + (f", {ends.endless} without an end" if ends.endless else "")


def _tell(sentence: str, document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(document))
    else:
        say(sentence)
