"""Jobs: create, list, read, change, cancel, try again, delete, restore, hold, and their files and results."""

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.responses import JSONResponse

from media_analysis import errors
from media_analysis.analysis.kinds import Kind
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.document import location
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import ADMIN_PROBLEMS, document_problems, problems
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.place import address
from media_analysis.api.schemas.archive_tasks import ArchiveTaskRead, RestoreQuery
from media_analysis.api.schemas.holds import HoldCreate, JobHoldRead
from media_analysis.api.schemas.job_requests import job_request
from media_analysis.api.schemas.job_summary import JobSummaryRead, job_document
from media_analysis.api.schemas.jobs import (
    JobCancelQuery,
    JobExtended,
    JobList,
    JobListQuery,
    JobRead,
    JobsCancelled,
    JobUpdate,
    archive_path,
)
from media_analysis.api.schemas.products import JobFileList, JobFilesQuery
from media_analysis.api.schemas.removals import JobRemovalRead, RemovalQuery
from media_analysis.api.schemas.results import JobResultsQuery, ResultList
from media_analysis.api.schemas.retention import JobRetention
from media_analysis.api.schemas.trash import RestorationRead
from media_analysis.errors import InvalidRequest
from media_analysis.jobs.service import JobView
from media_analysis.retention.restoring import Restoration
from media_analysis.sessions.models import Role

_PREFIX: Final = f"{API_PATH}/jobs"
_AWAY = problems(errors.DatabaseUnavailable)
_PROBLEMS = problems(errors.TokenRejected, errors.JobNotFound, errors.JobGone, errors.InvalidRequest)
_SOURCE: Final = "01a2265e-7c1f-7000-8000-000000000001"
_EXAMPLES: Final[dict[str, Any]] = {
    "frames": {
        "summary": "Pictures of a film",
        "value": {"name": "stills", "kind": "frames", "source_file_ids": [_SOURCE], "parameters": {"count": 8}},
    },
    "external": {
        "summary": "Work for a program elsewhere",
        "value": {
            "name": "count words",
            "kind": "external",
            "source_file_ids": [_SOURCE],
            "parameters": {"analyser": "words", "options": {"fold": True}},
        },
    },
}

router = APIRouter(prefix=_PREFIX, responses=_AWAY, route_class=DocumentRoute)


def creation_router(kinds: Mapping[str, Kind]) -> APIRouter:
    """Return the route that creates jobs of the kinds that are installed."""
    creation = APIRouter(prefix=_PREFIX, responses=_AWAY, route_class=DocumentRoute)
    requested = job_request(kinds)

    @creation.post(
        "",
        tags=["jobs"],
        status_code=202,
        responses={
            202: {"headers": location("Where the job is")},
            **problems(
                errors.TokenRejected,
                errors.InvalidRequest,
                errors.UnknownKind,
                errors.SourceUnusable,
                errors.TooManyJobs,
            ),
            **document_problems(),
        },
    )
    async def create_job(
        asked: Annotated[requested, Body(title="JobCreate", openapi_examples=_EXAMPLES)],  # type: ignore[valid-type]  # known at start
        response: Response,
        services: Serving,
        caller: Caller,
    ) -> JobRead:
        """Queue an analysis of stored files; its outcome is the files and results of the job it answers with."""
        lifts = caller.role is Role.ADMIN
        wanted = asked.asked(caller.owner, by_administrator=lifts)  # type: ignore[attr-defined]  # as above
        job = await services.jobs.control.create(wanted)
        response.headers["Location"] = address(f"{_PREFIX}/{job.id}")
        return JobRead.from_view(JobView(job, wanted.source_file_ids, job.created_at))

    return creation


@router.get("", tags=["jobs"], responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def list_jobs(services: Serving, caller: Caller, query: Annotated[JobListQuery, Query()]) -> JobList:
    """List jobs that were neither deleted nor archived, newest first; `/jobs/archived` lists those that were."""
    page = await services.jobs.catalog.list(query.wanted(scope=caller.scope), before=query.before(), limit=query.limit)
    return JobList.from_page(page)


@router.delete("", tags=["jobs"], responses=problems(*ADMIN_PROBLEMS))
async def cancel_jobs(
    request: Request, services: Serving, caller: Caller, query: Annotated[JobCancelQuery, Query()]
) -> JobsCancelled:
    """Cancel all of your jobs that wait and fit, and say how many; they stay, as cancelled ones.

    An administrator names an owner, or says `everyone=true`. Jobs go in batches, each whole: what breaks off in between
    left the others waiting, and asking again cancels those.
    """
    for name in request.query_params:
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidRequest(name, "is given twice")
    return JobsCancelled(cancelled=await services.jobs.control.cancel_waiting(query.wanted(scope=caller.scope)))


@router.get("/{job_id}", tags=["jobs"], responses=_PROBLEMS)
async def read_job(job_id: UUID, services: Serving, caller: Caller) -> JobRead:
    """Describe one job."""
    return JobRead.from_view(await services.jobs.catalog.view(job_id, owner=caller.scope))


@router.patch("/{job_id}", tags=["jobs"], responses={**_PROBLEMS, **document_problems()})
async def update_job(job_id: UUID, change: JobUpdate, services: Serving, caller: Caller) -> JobExtended:
    """Label a job, or set when it and all its stored, living files end: of an archived one, when its archive goes."""
    owner, actor, relabel = caller.scope, caller.owner, change.relabel()
    if relabel is not None:
        job = await services.jobs.catalog.relabel(job_id, relabel, owner=owner, actor=actor)
        return JobExtended(job_id=job_id, expires_at=job.expires_at, files=0, labels=job.labels or {})
    expires_at, files = await services.retention.holds.extend_job(job_id, change.expiry(), owner=owner, actor=actor)
    job, _ = await services.jobs.catalog.get(job_id, owner=owner)
    return JobExtended(job_id=job_id, expires_at=expires_at, files=files, labels=job.labels or {})


@router.post("/{job_id}/cancel", tags=["jobs"], responses={**_PROBLEMS, **problems(errors.JobEnded)})
async def cancel_job(job_id: UUID, services: Serving, caller: Caller) -> JobRead:
    """Stop a job that waits or runs; what it has made so far goes. Cancelling again changes nothing."""
    await services.jobs.control.cancel(job_id, owner=caller.scope)
    return JobRead.from_view(await services.jobs.catalog.view(job_id, owner=caller.scope))


@router.post(
    "/{job_id}/retry",
    tags=["jobs"],
    status_code=202,
    responses={
        **_PROBLEMS,
        **problems(
            errors.InvalidRequest, errors.JobArchived, errors.JobNotFailed, errors.SourceUnusable, errors.TooManyJobs
        ),
    },
)
async def retry_job(job_id: UUID, services: Serving, caller: Caller) -> JobRead:
    """Queue a failed job again."""
    await services.jobs.control.retry(job_id, owner=caller.scope)
    return JobRead.from_view(await services.jobs.catalog.view(job_id, owner=caller.scope))


@router.get("/{job_id}/files", tags=["jobs"], responses=_PROBLEMS)
async def list_job_files(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[JobFilesQuery, Query()]
) -> JobFileList:
    """List the living files of a job by category, then in time order; what a run makes shows when it completes."""
    wanted, after = query.wanted(job_id, scope=caller.scope), query.after()
    await services.jobs.catalog.get(job_id, owner=caller.scope)
    return JobFileList.from_page(await services.files.products.list(wanted, after=after, limit=query.limit))


@router.get("/{job_id}/results", tags=["jobs"], response_model=ResultList, responses=_PROBLEMS)
async def list_job_results(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[JobResultsQuery, Query()]
) -> dict[str, object]:
    """List the results of a job, newest first; `/api/v1/results/schemas/{kind}` says what built-in kinds hold."""
    wanted, before = query.wanted(job_id, scope=caller.scope), query.before()
    await services.jobs.catalog.get(job_id, owner=caller.scope)
    page = await services.jobs.results.list(wanted, before=before, limit=query.limit)
    return {"items": page.results, "next_cursor": encode_cursor(page.next_before)}


@router.delete(
    "/{job_id}",
    tags=["jobs"],
    responses=problems(*ADMIN_PROBLEMS, errors.MarkerMismatch, errors.JobNotFound, errors.JobGone, errors.JobHeld),
)
async def delete_job(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[RemovalQuery, Query()]
) -> JobRemovalRead:
    """Delete a job with its files and results, into the trash if there is one; what waits or runs is cancelled first.

    All of it goes, or nothing; its sources stay. Asking again answers 410.
    """
    asked = query.request(caller)
    if query.dry_run:
        return JobRemovalRead.from_removal(await services.jobs.deletions.preview(job_id, asked, owner=caller.scope))
    return JobRemovalRead.from_removal(await services.jobs.deletions.delete(job_id, asked, owner=caller.scope))


_UNPACKING: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "model": ArchiveTaskRead,
        "description": "It is being unpacked",
        "headers": location("Where its progress is told"),
    }
}


@router.post(
    "/{job_id}/restore",
    tags=["trash"],
    response_model=RestorationRead,
    response_description="What came back from the trash",
    responses={
        **_UNPACKING,
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


_HOLD_PROBLEMS = problems(*ADMIN_PROBLEMS, errors.JobNotFound, errors.JobGone)


@router.put("/{job_id}/hold", tags=["holds"], responses={**_HOLD_PROBLEMS, **document_problems()})
async def hold_job(job_id: UUID, asked: HoldCreate, services: Serving, caller: Caller) -> JobHoldRead:
    """Keep every file that a job has or gets, its archive too, beside the holds that files have themselves."""
    hold, files = await services.retention.holds.hold_job(job_id, asked.request(caller.owner), owner=caller.scope)
    return JobHoldRead.from_hold(job_id, hold, files)


@router.delete("/{job_id}/hold", tags=["holds"], status_code=204, responses=_HOLD_PROBLEMS)
async def release_job(job_id: UUID, services: Serving, caller: Caller) -> None:
    """Release a job and its files from the job's hold; files keep those of their own."""
    await services.retention.holds.release_job(job_id, owner=caller.scope, actor=caller.owner)


@router.get(
    "/{job_id}/retention",
    tags=["jobs"],
    responses=problems(errors.TokenRejected, errors.InvalidRequest, errors.JobNotFound),
)
async def explain_job(
    job_id: UUID, services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]
) -> JobRetention | JobSummaryRead:
    """Say when a job's files go, by which rule, and what happened to the job; of a deleted one, what stays of it."""
    told = await services.retention.explanations.explain_job(
        job_id, owner=caller.scope, before=query.before(), limit=query.limit
    )
    return job_document(told)
