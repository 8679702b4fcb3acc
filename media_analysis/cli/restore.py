"""`media-analysis restore`: take a file, the files of a job, or all that a sweep took, out of the trash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from media_analysis.cli.console import ConfigFile, DataDir, instant, load, run, say
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import file_id, id_argument, id_option, job_id, sweep_id
from media_analysis.cli.services import ACTOR, open_services
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from media_analysis.retention.restoring import Restoration
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings


def restore(
    *,
    file: Annotated[IdPart | None, id_argument("The file")] = None,
    job: Annotated[IdPart | None, id_option("--job", "Every file of this job")] = None,
    sweep: Annotated[IdPart | None, id_option("--sweep", "All that this sweep took")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Take files out of the trash; what is gone for good is counted as skipped."""
    if sum(given is not None for given in (file, job, sweep)) != 1:
        raise InvalidRequest("restore", "give a file, --job or --sweep, one of them")
    say(run(_restore(load(config, data_dir).settings, file, job, sweep)))


async def _restore(settings: Settings, file: IdPart | None, job: IdPart | None, sweep: IdPart | None) -> str:
    async with open_services(settings) as runtime:
        if file is not None:
            return await _restore_file(runtime, await file_id(runtime, file))
        if job is not None:
            return _sentence(
                await runtime.retention.trash.restore_job(await job_id(runtime, job), owner=None, actor=ACTOR)
            )
        if sweep is not None:
            return _sentence(await runtime.retention.trash.undo(await sweep_id(runtime, sweep), actor=ACTOR))
    raise AssertionError


async def _restore_file(runtime: Runtime, wanted: UUID) -> str:
    file = await runtime.retention.trash.restore(wanted, owner=None, actor=ACTOR)
    ends = "until it is deleted" if file.expires_at is None else f"until {instant(file.expires_at)}"
    return f"restored {file.filename} of {file.owner}, {ends}"


def _sentence(outcome: Restoration) -> str:
    return f"restored {outcome.restored} files, skipped {outcome.skipped}"
