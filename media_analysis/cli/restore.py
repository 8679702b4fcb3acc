"""`media-analysis restore`: take a file, the files of a job, or all that a sweep took, out of the trash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, out, run
from media_analysis.cli.services import open_services
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from media_analysis.retention.restoring import Restoration
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

ACTOR: Final = "command line"


def restore(
    *,
    file: Annotated[UUID | None, typer.Argument(help="The file", show_default=False)] = None,
    job: Annotated[UUID | None, typer.Option("--job", help="Every file of this job", show_default=False)] = None,
    sweep: Annotated[UUID | None, typer.Option("--sweep", help="All that this sweep took", show_default=False)] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Take files out of the trash; what is gone for good is counted as skipped."""
    if sum(given is not None for given in (file, job, sweep)) != 1:
        raise InvalidRequest("restore", "give a file, --job or --sweep, one of them")
    out.print(run(_restore(load(config, data_dir).settings, file, job, sweep)), soft_wrap=True, highlight=False)


async def _restore(settings: Settings, file: UUID | None, job: UUID | None, sweep: UUID | None) -> str:
    async with open_services(settings) as runtime:
        if file is not None:
            return await _restore_file(runtime, file)
        if job is not None:
            return _sentence(await runtime.restoring.restore_job(job, owner=None, actor=ACTOR))
        if sweep is not None:
            return _sentence(await runtime.restoring.undo(sweep, actor=ACTOR))
    raise AssertionError


async def _restore_file(runtime: Runtime, file_id: UUID) -> str:
    file = await runtime.restoring.restore(file_id, owner=None, actor=ACTOR)
    ends = "until it is deleted" if file.expires_at is None else f"until {file.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"restored {file.filename} of {file.owner}, {ends}"


def _sentence(outcome: Restoration) -> str:
    return f"restored {outcome.restored} files, skipped {outcome.skipped}"
