"""Archives of jobs: which there are, what is in them, their bytes, one file of them, and making one now."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.conditions import READING
from media_analysis.api.content import RANGES, Representation, content_responses, serve_content
from media_analysis.api.dependencies import Caller, Downloading, Serving
from media_analysis.api.document import location
from media_analysis.api.errors import problems
from media_analysis.api.schemas.archive_tasks import ArchiveTaskRead
from media_analysis.api.schemas.archives import (
    ArchivedJobList,
    ArchivedListQuery,
    ArchiveQuery,
    ArchiveRead,
    SegmentQuery,
)
from media_analysis.api.schemas.jobs import archive_path

router = APIRouter(prefix=f"{API_PATH}/jobs", tags=["archives"], responses=problems(errors.DatabaseUnavailable))

_PROBLEMS = (errors.TokenRejected, errors.JobNotFound, errors.JobGone, errors.InvalidRequest)
_SEGMENT_PROBLEMS = problems(
    *_PROBLEMS,
    errors.JobNotArchived,
    errors.SegmentNotFound,
    errors.FileGone,
    errors.ObjectDamaged,
    errors.ObjectMissing,
    errors.StoreUnavailable,
)
_FILE_PROBLEMS = problems(
    *_PROBLEMS,
    errors.ArchivedFileNotFound,
    errors.FileGone,
    errors.ArchiveDamaged,
    errors.ObjectMissing,
)


@router.get("/archived", responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def list_archived_jobs(
    services: Serving, caller: Caller, query: Annotated[ArchivedListQuery, Query()]
) -> ArchivedJobList:
    """List archived jobs, the last archived first, each with the segments of its archive."""
    wanted, after = query.wanted(scope=caller.scope), query.after()
    return ArchivedJobList.from_page(await services.archives.catalog.list(wanted, after=after, limit=query.limit))


@router.get("/{job_id}/archive", responses=problems(*_PROBLEMS, errors.JobNotArchived))
async def read_archive(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[ArchiveQuery, Query()]
) -> ArchiveRead:
    """Describe a job's archive: its segments, a page of the files in it, and how archiving or restoring goes on.

    It answers from the first request for an archive on, and still does when the job has been restored.
    """
    archive = await services.archives.catalog.read(
        job_id, owner=caller.scope, after=query.before(), limit=query.limit, category=query.category
    )
    return ArchiveRead.from_archive(archive)


@router.post(
    "/{job_id}/archive",
    status_code=202,
    responses={
        202: {"headers": location("Where its progress is told")},
        **problems(
            *_PROBLEMS,
            errors.JobArchived,
            errors.JobNotEnded,
            errors.JobHeld,
            errors.NothingToArchive,
            errors.ArchiveTaskUnderWay,
        ),
    },
)
async def archive_job(job_id: UUID, response: Response, services: Serving, caller: Caller) -> ArchiveTaskRead:
    """Archive a job that has ended, now instead of by the schedule; its originals go once the archive is proven."""
    task = await services.archives.requests.request_archive(job_id, owner=caller.scope, actor=caller.owner)
    response.headers["Location"] = archive_path(job_id)
    return ArchiveTaskRead.from_task(task)


@router.get(
    "/{job_id}/archive/download",
    response_class=Response,
    openapi_extra=RANGES,
    responses=content_responses(_SEGMENT_PROBLEMS, ranges=True, redirects=True),
)
@router.head(
    "/{job_id}/archive/download",
    response_class=Response,
    openapi_extra=READING,
    responses=content_responses(_SEGMENT_PROBLEMS, ranges=False),
)
async def download_archive(
    request: Request,
    job_id: UUID,
    services: Serving,
    caller: Caller,
    admitted: Downloading,
    query: Annotated[SegmentQuery, Query()],
) -> Response:
    """Return the bytes of a segment, whole or one range of them: a compressed tar that any `tar` opens."""
    segment, reader = await services.archives.catalog.open_segment(job_id, owner=caller.scope, segment=query.segment)
    sign = services.files.signing.of(segment)
    return await serve_content(Representation.of_file(segment), reader, request, admitted, sign)


@router.get(
    "/{job_id}/archive/files/{file_id}/content",
    response_class=Response,
    openapi_extra=RANGES,
    responses=content_responses(_FILE_PROBLEMS, ranges=True),
)
@router.head(
    "/{job_id}/archive/files/{file_id}/content",
    response_class=Response,
    openapi_extra=READING,
    responses=content_responses(_FILE_PROBLEMS, ranges=False),
)
async def read_archived_content(
    request: Request, job_id: UUID, file_id: UUID, services: Serving, caller: Caller, admitted: Downloading
) -> Response:
    """Return the bytes of one file, whole or one range of them, from inside the archive of its job."""
    copy = await services.archives.catalog.open_file(job_id, file_id, owner=caller.scope)
    return await serve_content(Representation.of_copy(copy.file), copy, request, admitted)
