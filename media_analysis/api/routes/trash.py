"""Trash: taking files back, one by one, by job, or all that a sweep took."""

from uuid import UUID

from fastapi import APIRouter

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.files import FileRead
from media_analysis.api.schemas.trash import RestorationRead
from media_analysis.files.models import MediaFile

router = APIRouter(prefix=API_PATH, tags=["trash"], responses=problems(errors.DatabaseUnavailable))


@router.post(
    "/files/{file_id}/restore",
    response_model=FileRead,
    responses=problems(
        errors.TokenRejected, errors.FileNotFound, errors.FileNotTrashed, errors.FileGone, errors.InvalidRequest
    ),
)
async def restore_file(file_id: UUID, services: Serving, caller: Caller) -> MediaFile:
    """Take a file out of the trash; where its end has passed meanwhile it gets a new one, which the answer tells."""
    return await services.restoring.restore(file_id, owner=caller.scope, actor=caller.owner)


@router.post(
    "/jobs/{job_id}/restore",
    responses=problems(errors.TokenRejected, errors.JobNotFound, errors.JobGone, errors.InvalidRequest),
)
async def restore_job(job_id: UUID, services: Serving, caller: Caller) -> RestorationRead:
    """Take a job, its results and every file of it out of the trash; `skipped` are those purged at the same time."""
    outcome = await services.restoring.restore_job(job_id, owner=caller.scope, actor=caller.owner)
    return RestorationRead(**outcome._asdict())


@router.post(
    "/storage/sweeps/{sweep_id}/undo",
    responses=problems(errors.TokenRejected, errors.AdminRequired, errors.SweepNotFound, errors.InvalidRequest),
)
async def undo_sweep(sweep_id: UUID, services: Serving, administrator: Administrator) -> RestorationRead:
    """Take everything a sweep took out of the trash; safe to repeat, also after it broke off."""
    outcome = await services.restoring.undo(sweep_id, actor=administrator.owner)
    return RestorationRead(**outcome._asdict())
