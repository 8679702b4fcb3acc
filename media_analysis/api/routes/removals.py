"""Deleting what somebody names: a file with what was derived from it, or a whole job."""

from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.conditions import CHANGING, changing
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.errors import problems
from media_analysis.api.schemas.removals import FileDeleteQuery, FileRemovalRead, JobRemovalRead, RemovalQuery
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import AdminRequired
from media_analysis.files.service import Condition
from media_analysis.sessions.models import Role
from media_analysis.sessions.service import Caller as SessionCaller

router = APIRouter(prefix=API_PATH, responses=problems(errors.DatabaseUnavailable))

_PROBLEMS = (errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest, errors.MarkerMismatch)
_ALONE: Final[dict[int | str, dict[str, Any]]] = {204: {"description": "Deleted, and nothing else with it"}}


@router.delete(
    "/files/{file_id}",
    tags=["files"],
    response_model=FileRemovalRead,
    response_description="What went with it, or would",
    openapi_extra=CHANGING,
    responses={
        **_ALONE,
        **problems(
            *_PROBLEMS,
            errors.FileNotFound,
            errors.FileGone,
            errors.FileArchived,
            errors.ArchiveOfJob,
            errors.DerivedArchived,
            errors.FileNotReady,
            errors.FileHeld,
            errors.PreconditionFailed,
        ),
    },
)
async def delete_file(
    request: Request, file_id: UUID, services: Serving, caller: Caller, query: Annotated[FileDeleteQuery, Query()]
) -> FileRemovalRead | Response:
    """Delete a file now, into the trash if there is one, with all that was derived from it and the results about it.

    204 says that it went alone, 200 what went with it; asking again answers 410. A secure deletion whose bytes could
    not be overwritten yet, as while deletion is paused, answers 200 with `pending`. `If-Match` takes the entity tag of
    the file's document or of its bytes.
    """
    asked, derived = _asked(query, caller, changing(request, content_too=True)), query.derived == "take"
    if query.dry_run:
        told = await services.retention.file_deletions.preview(file_id, asked, owner=caller.scope, derived=derived)
        return FileRemovalRead.from_removal(told, dry_run=True)
    gone = await services.retention.file_deletions.delete(file_id, asked, owner=caller.scope, derived=derived)
    if gone.derived.total.files or gone.results or (asked.secure and gone.pending):
        return FileRemovalRead.from_removal(gone, dry_run=False)
    return Response(status_code=204)


@router.delete(
    "/jobs/{job_id}",
    tags=["jobs"],
    responses=problems(*_PROBLEMS, errors.JobNotFound, errors.JobGone, errors.JobHeld),
)
async def delete_job(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[RemovalQuery, Query()]
) -> JobRemovalRead:
    """Delete a job with its files and results, into the trash if there is one; what waits or runs is cancelled first.

    All of it goes, or nothing; its sources stay. Asking again answers 410.
    """
    asked = _asked(query, caller)
    if query.dry_run:
        return JobRemovalRead.from_removal(await services.jobs.deletions.preview(job_id, asked, owner=caller.scope))
    return JobRemovalRead.from_removal(await services.jobs.deletions.delete(job_id, asked, owner=caller.scope))


def _asked(query: RemovalQuery, caller: SessionCaller, condition: Condition | None = None) -> DeletionRequest:
    asked = replace(query.request(caller.owner), condition=condition)
    if asked.for_good and caller.role is not Role.ADMIN:
        raise AdminRequired
    return asked
