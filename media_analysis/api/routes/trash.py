"""Taking back what went: files out of the trash, one by one or all that a sweep took, and jobs out of archives too."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.archive_tasks import ArchiveTaskRead, RestoreQuery
from media_analysis.api.schemas.files import FileRead
from media_analysis.api.schemas.jobs import archive_path
from media_analysis.api.schemas.trash import RestorationRead
from media_analysis.files.models import MediaFile
from media_analysis.retention.restoring import Restoration

router = APIRouter(prefix=API_PATH, tags=["trash"], responses=problems(errors.DatabaseUnavailable))

_ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": ArchiveTaskRead,
        "description": "It is being unpacked",
        "headers": {"Location": {"description": "Where its progress is told", "schema": {"type": "string"}}},
    }
}


@router.post(
    "/files/{file_id}/restore",
    response_model=FileRead,
    responses=problems(
        errors.TokenRejected,
        errors.FileNotFound,
        errors.FileNotTrashed,
        errors.FileArchived,
        errors.FileGone,
        errors.InvalidRequest,
    ),
)
async def restore_file(file_id: UUID, services: Serving, caller: Caller) -> MediaFile:
    """Take a file out of the trash; where its end has passed meanwhile it gets a new one, which the answer tells."""
    return await services.retention.trash.restore(file_id, owner=caller.scope, actor=caller.owner)


@router.post(
    "/jobs/{job_id}/restore",
    response_model=RestorationRead,
    response_description="What came back from the trash",
    responses={
        **_ACCEPTED,
        **problems(
            errors.TokenRejected,
            errors.JobNotFound,
            errors.ArchivedFileNotFound,
            errors.JobNotArchived,
            errors.NothingToRestore,
            errors.ArchiveTaskUnderWay,
            errors.JobGone,
            errors.InvalidRequest,
            errors.QuotaReached,
            errors.DiskReserveReached,
        ),
    },
)
async def restore_job(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[RestoreQuery, Query()]
) -> RestorationRead | Response:
    """Bring a job back: out of the trash at once, which 200 tells, and out of its archive by a task, which 202 tells.

    Files come back from an archive under their ids, all or none, and begin a new lifetime. `skipped` are those of the
    trash that were purged at the same time.
    """
    outcome = await services.returns.restore(job_id, owner=caller.scope, actor=caller.owner, file_id=query.file_id)
    if isinstance(outcome, Restoration):
        return RestorationRead(**outcome._asdict())
    told = ArchiveTaskRead.from_task(outcome).model_dump(mode="json")
    return JSONResponse(told, status_code=202, headers={"Location": archive_path(job_id)})


@router.post(
    "/storage/sweeps/{sweep_id}/undo",
    responses=problems(errors.TokenRejected, errors.AdminRequired, errors.SweepNotFound, errors.InvalidRequest),
)
async def undo_sweep(sweep_id: UUID, services: Serving, administrator: Administrator) -> RestorationRead:
    """Take everything a sweep took out of the trash; safe to repeat, also after it broke off."""
    outcome = await services.retention.trash.undo(sweep_id, actor=administrator.owner)
    return RestorationRead(**outcome._asdict())
