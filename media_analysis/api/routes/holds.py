"""Holds: what nothing may delete until somebody releases it."""

from uuid import UUID

from fastapi import APIRouter

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.schemas.holds import HoldCreate, HoldRead, JobHoldRead

router = APIRouter(
    prefix=API_PATH, tags=["holds"], responses=problems(errors.DatabaseUnavailable), route_class=DocumentRoute
)

_PROBLEMS = (errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest)
_FILE_PROBLEMS = problems(*_PROBLEMS, errors.FileNotFound, errors.FileGone, errors.FileArchived, errors.FileNotReady)
_JOB_PROBLEMS = problems(*_PROBLEMS, errors.JobNotFound, errors.JobGone)


@router.put("/files/{file_id}/hold", responses={**_FILE_PROBLEMS, **document_problems()})
async def hold_file(file_id: UUID, asked: HoldCreate, services: Serving, caller: Caller) -> HoldRead:
    """Keep a file, whatever its expiry says and whoever wants it deleted; a hold it has is replaced.

    A file in the trash stays there, unreadable, and is not purged. What an administrator holds of somebody else's,
    only an administrator may hold differently or release.
    """
    hold = await services.retention.holds.hold_file(file_id, asked.request(caller.owner), owner=caller.scope)
    return HoldRead.from_hold(file_id, hold)


@router.delete("/files/{file_id}/hold", status_code=204, responses=_FILE_PROBLEMS)
async def release_file(file_id: UUID, services: Serving, caller: Caller) -> None:
    """Release a file from its own hold, that of its job apart; it goes at the next sweep if its time has come."""
    await services.retention.holds.release_file(file_id, owner=caller.scope, actor=caller.owner)


@router.put("/jobs/{job_id}/hold", responses={**_JOB_PROBLEMS, **document_problems()})
async def hold_job(job_id: UUID, asked: HoldCreate, services: Serving, caller: Caller) -> JobHoldRead:
    """Keep every file that a job has or gets, its archive too, beside the holds that files have themselves."""
    hold, files = await services.retention.holds.hold_job(job_id, asked.request(caller.owner), owner=caller.scope)
    return JobHoldRead.from_hold(job_id, hold, files)


@router.delete("/jobs/{job_id}/hold", status_code=204, responses=_JOB_PROBLEMS)
async def release_job(job_id: UUID, services: Serving, caller: Caller) -> None:
    """Release a job and its files from the job's hold; files keep those of their own."""
    await services.retention.holds.release_job(job_id, owner=caller.scope, actor=caller.owner)
