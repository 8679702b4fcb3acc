"""External analysers: claim a job, keep it, bring its products and results, finish or fail it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.bodies import announced_bytes, content_of, normal_media_type
from media_analysis.api.conditions import READING
from media_analysis.api.content import ANY_BYTES, RANGES, Representation, content_responses, serve_content
from media_analysis.api.dependencies import Caller, Downloading, Serving, Uploading
from media_analysis.api.documents import DocumentRoute, read_object
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.multipart import is_form
from media_analysis.api.resources import LARGEST
from media_analysis.api.schemas.external import (
    ClaimCreate,
    ClaimRead,
    FailureCreate,
    Fence,
    FinishCreate,
    HeartbeatCreate,
    HeartbeatRead,
    ProductQuery,
    ProductRead,
    ResultQuery,
)
from media_analysis.api.schemas.jobs import JobRead
from media_analysis.api.schemas.results import ResultCreate, ResultKind
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import Failure

router = APIRouter(
    prefix=API_PATH,
    tags=["external analysers"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)

_PROBLEMS = problems(errors.TokenRejected, errors.JobNotFound, errors.JobGone, errors.FenceLost, errors.InvalidRequest)
_SOURCE_PROBLEMS = {**_PROBLEMS, **problems(errors.ObjectDamaged, errors.ObjectMissing)}
_PRODUCT: dict[str, Any] = {"requestBody": {"required": True, "content": ANY_BYTES}}
_RESULT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"words": 6}}},
        LARGEST: 4 * 2**20,
    }
}


@router.post(
    "/jobs/claims",
    responses={
        **problems(errors.TokenRejected, errors.InvalidRequest),
        **document_problems(),
        204: {"description": "Nothing waits for these analysers"},
    },
    response_model=ClaimRead,
)
async def claim_job(asked: ClaimCreate, services: Serving, caller: Caller) -> ClaimRead | Response:
    """Claim the next external job that one of these analysers can do; everybody's for administrators.

    Owners take turns, and of each the most urgent job is next.
    The run is the analyser's until `leased_until`, which heartbeats move. After that somebody else may claim the job,
    and everything that names the old fence is refused.
    """
    run = await services.jobs.external.claim(asked.analysers, owner=caller.scope, worker=asked.worker)
    return Response(status_code=204) if run is None else ClaimRead.from_run(run)


@router.post("/jobs/{job_id}/heartbeat", responses={**_PROBLEMS, **document_problems()})
async def keep_job(job_id: UUID, asked: HeartbeatCreate, services: Serving, caller: Caller) -> HeartbeatRead:
    """Keep a claimed job for another lease, and tell its progress."""
    told = asked.model_dump(exclude_none=True)
    leased_until = await services.jobs.external.heartbeat(job_id, owner=caller.scope, **told)
    return HeartbeatRead(leased_until=leased_until)


@router.get(
    "/jobs/{job_id}/sources/{position}/content",
    response_class=Response,
    openapi_extra=RANGES,
    responses=content_responses(_SOURCE_PROBLEMS, ranges=True),
)
@router.head(
    "/jobs/{job_id}/sources/{position}/content",
    response_class=Response,
    openapi_extra=READING,
    responses=content_responses(_SOURCE_PROBLEMS, ranges=False),
)
async def read_source(
    request: Request,
    job_id: UUID,
    position: Annotated[int, Path(ge=0, le=10_000)],
    fence: Annotated[Fence, Query()],
    services: Serving,
    caller: Caller,
    admitted: Downloading,
) -> Response:
    """Return the bytes of a claimed job's source, also if it expired after the claim."""
    file, reader = await services.jobs.external.open_source(job_id, position, fence=fence, owner=caller.scope)
    return await serve_content(Representation.of_file(file), reader, request, admitted)


@router.post(
    "/jobs/{job_id}/products",
    status_code=202,
    openapi_extra=_PRODUCT,
    responses={
        **_PROBLEMS,
        **problems(
            errors.PlaceTaken,
            errors.SourceUnusable,
            errors.UploadStalled,
            errors.UploadTooSlow,
            errors.UploadOverdue,
            errors.TooManyAtOnce,
            errors.UploadTooLarge,
            errors.MediaTypeNotAccepted,
            errors.ContentCodingNotAccepted,
            errors.DigestMismatch,
            errors.IncompleteUpload,
            errors.StoreUnavailable,
            errors.QuotaReached,
            errors.OwnerQuotaReached,
            errors.DiskReserveReached,
            errors.DiskFull,
        ),
    },
)
async def add_product(
    request: Request,
    job_id: UUID,
    services: Serving,
    caller: Caller,
    admitted: Uploading,
    query: Annotated[ProductQuery, Query()],
) -> ProductRead:
    """Stage a derived file of a claimed job; it becomes a file, with an expiry, when the job is finished."""
    declared_type = request.headers.get("content-type", "")
    if is_form(declared_type):
        raise errors.InvalidRequest("Content-Type", "the body is the product itself; forms are not taken here")
    place = Place(role=query.role, ordinal=query.ordinal, fence=query.fence, instant_seconds=query.instant_seconds)
    product = Upload(
        owner=caller.owner,
        category=query.category,
        filename=query.filename,
        declared_type=normal_media_type(declared_type),
        declared_bytes=announced_bytes(request),
        place=place,
    )
    staged = await services.jobs.external.add_product(
        job_id, product, content_of(request, admitted), source=query.source_file_id, owner=caller.scope
    )
    return ProductRead.from_file(staged)


@router.put(
    "/jobs/{job_id}/results/{kind}",
    status_code=204,
    openapi_extra=_RESULT,
    responses={**_PROBLEMS, **problems(errors.SourceUnusable), **document_problems()},
)
async def put_result(
    request: Request,
    job_id: UUID,
    kind: Annotated[ResultKind, Path()],
    services: Serving,
    caller: Caller,
    query: Annotated[ResultQuery, Query()],
) -> None:
    """Put a JSON object of at most 4 MiB as the job's result of a kind; it shows when the job is finished."""
    asked = ResultCreate(kind=kind, data=await read_object(request), source_file_id=query.source_file_id)
    await services.jobs.external.put_result(job_id, asked.result(), fence=query.fence, owner=caller.scope)


@router.post("/jobs/{job_id}/finish", responses={**_PROBLEMS, **document_problems()})
async def finish_job(job_id: UUID, asked: FinishCreate, services: Serving, caller: Caller) -> JobRead:
    """Complete a claimed job: its products and results show from now on, all at once."""
    await services.jobs.external.finish(job_id, fence=asked.fence, owner=caller.scope)
    return JobRead.from_view(await services.jobs.catalog.view(job_id, owner=caller.scope))


@router.post("/jobs/{job_id}/fail", responses={**_PROBLEMS, **document_problems()})
async def fail_job(job_id: UUID, asked: FailureCreate, services: Serving, caller: Caller) -> JobRead:
    """End a run without an outcome; what it staged is discarded."""
    failure = Failure(code=asked.code, detail=asked.detail)
    await services.jobs.external.fail(job_id, failure, fence=asked.fence, owner=caller.scope, may_pass=asked.may_pass)
    return JobRead.from_view(await services.jobs.catalog.view(job_id, owner=caller.scope))
