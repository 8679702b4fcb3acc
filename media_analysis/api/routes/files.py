"""Files: upload, list, read, content, change."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.bodies import announced_bytes, clean_media_type, content_of, require_length
from media_analysis.api.conditions import CHANGING, READING, ROW, Conditions, changing, request_header, row_tag
from media_analysis.api.content import (
    ANY_BYTES,
    RANGES,
    Representation,
    content_responses,
    serve_content,
)
from media_analysis.api.dependencies import Caller, Downloading, Serving, Uploading
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.multipart import FORM_BYTES, FormStream, is_form, read_boundary
from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.files import (
    FileCreate,
    FileList,
    FileListQuery,
    FileQuery,
    FileRead,
    FileUpdate,
)
from media_analysis.errors import InvalidRequest
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.bodies import timed
from media_analysis.files.upload.service import Completed, Upload
from media_analysis.storage.category import Category

router = APIRouter(
    prefix=f"{API_PATH}/files",
    tags=["files"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)

_UPLOAD: Final[dict[str, Any]] = {
    "parameters": [
        request_header("Content-Digest", "SHA-256 or SHA-512 of the body (RFC 9530); nothing is kept unless it holds"),
        request_header("Repr-Digest", "The same"),
        request_header("Digest", "The same in its elder form (RFC 3230)"),
    ],
    "requestBody": {
        "required": True,
        "description": "The bytes themselves, or a form of one `file` and fields. `category` and `job_id` say where "
        "the file lies and come before it, as a frame's `parent_id` does; with an `Idempotency-Key` all fields do. "
        "Empty fields count as absent",
        "content": {
            **ANY_BYTES,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "category": {"type": "string", "enum": [category.value for category in Category]},
                        "filename": {"type": "string"},
                        "ttl_seconds": {"type": "integer"},
                        "expires_at": {"type": "string"},
                        "job_id": {"type": "string", "format": "uuid"},
                        "parent_id": {"type": "string", "format": "uuid"},
                        "file": {"type": "string", "format": "binary"},
                    },
                },
                "example": {"category": "uploads", "ttl_seconds": 3600, "file": "the bytes of the file"},
            },
        },
    },
}
_MAY_FOLLOW: Final = frozenset({"filename", "ttl_seconds", "expires_at", "parent_id"})
"""Fields that change nothing of where a file lies, so that its bytes need not wait for them."""
_UNNAMED: Final = "unnamed"
"""What a file is called while its name may yet come."""
_CREATED: Final[dict[int | str, dict[str, Any]]] = {
    201: {"headers": {"Location": {"description": "Where the file is", "schema": {"type": "string"}}}}
}
IdempotencyKey = Annotated[
    str | None, Header(pattern=r"^[\x21-\x7e]{1,255}$", description="Makes a repeated upload safe for 24 hours")
]


@router.post(
    "",
    status_code=201,
    response_model=FileRead,
    openapi_extra=_UPLOAD,
    responses=_CREATED
    | problems(
        errors.TokenRejected,
        errors.TooManyAtOnce,
        errors.UploadStalled,
        errors.UploadTooSlow,
        errors.UploadOverdue,
        errors.UploadInFlight,
        errors.UploadLeaseLost,
        errors.JobArchived,
        errors.UploadTooLarge,
        errors.MediaTypeNotAccepted,
        errors.ContentCodingNotAccepted,
        errors.InvalidRequest,
        errors.DigestMismatch,
        errors.IncompleteUpload,
        errors.IdempotencyKeyReused,
        errors.DatabaseUnavailable,
        errors.StoreUnavailable,
        errors.QuotaReached,
        errors.OwnerQuotaReached,
        errors.DiskReserveReached,
        errors.DiskFull,
    ),
)
async def upload_file(
    request: Request,
    response: Response,
    services: Serving,
    caller: Caller,
    admitted: Uploading,
    query: Annotated[FileQuery, Query()],
    idempotency_key: IdempotencyKey = None,
) -> MediaFile:
    """Store a file; when this answers 201 its bytes are durable and readable."""
    body = content_of(request, admitted)
    declared_type = request.headers.get("content-type", "")
    fields = query.model_dump(exclude_none=True)
    completed: Completed | None = None
    if is_form(declared_type):
        require_length(request, services.files.uploads.limits.max_bytes + FORM_BYTES)
        body = timed(body, services.files.uploads.limits.pace)
        boundary, may_follow = read_boundary(declared_type), () if idempotency_key else _MAY_FOLLOW
        part = await FormStream(body, boundary, may_follow=may_follow).open_file()

        def completed() -> Upload:
            told = _merge(fields, {**part.fields, **part.late}, part.filename)
            return _upload(_validated(told), caller.owner, part.media_type)

        early = _merge(fields, part.fields, part.filename or (None if idempotency_key else _UNNAMED))
        upload, body = _upload(_validated(early), caller.owner, part.media_type), part.body
    else:
        upload = _upload(_validated(fields), caller.owner, declared_type, declared_bytes=announced_bytes(request))
    upload = replace(upload, idempotency_key=idempotency_key)
    stored = await services.files.uploads.store_file(upload, body, completed)
    response.headers["Location"] = f"{API_PATH}/files/{stored.id}"
    return stored


@router.get("", response_model=FileList, responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def list_files(services: Serving, caller: Caller, query: Annotated[FileListQuery, Query()]) -> dict[str, object]:
    """List living files, newest first."""
    page = await services.files.catalog.list(query.wanted(scope=caller.scope), before=query.before(), limit=query.limit)
    return {"items": page.files, "next_cursor": encode_cursor(page.next_before)}


_READ_PROBLEMS = problems(
    errors.TokenRejected, errors.FileNotFound, errors.FileArchived, errors.FileGone, errors.InvalidRequest
)


@router.get(
    "/{file_id}",
    response_model=FileRead,
    openapi_extra=ROW,
    responses={**_READ_PROBLEMS, **problems(errors.PreconditionFailed), 304: {"description": "Not modified"}},
)
async def read_file(
    request: Request, response: Response, file_id: UUID, services: Serving, caller: Caller
) -> MediaFile | Response:
    """Describe one file without its bytes; its entity tag is for the conditions of a change."""
    file = await services.files.catalog.get(file_id, owner=caller.scope)
    response.headers["ETag"] = tag = row_tag(file)
    asked = Conditions.of_read(request.headers)
    asked.require(frozenset({tag}), None)
    return Response(status_code=304, headers={"ETag": tag}) if asked.is_known(tag, None) else file


_CONTENT_PROBLEMS: Final = {
    **_READ_PROBLEMS,
    **problems(errors.FileArchived, errors.FileNotReady, errors.ObjectDamaged, errors.ObjectMissing),
}


@router.get(
    "/{file_id}/content",
    response_class=Response,
    openapi_extra=RANGES,
    responses=content_responses(_CONTENT_PROBLEMS, ranges=True),
)
@router.head(
    "/{file_id}/content",
    response_class=Response,
    openapi_extra=READING,
    responses=content_responses(_CONTENT_PROBLEMS, ranges=False),
)
async def read_content(
    request: Request, file_id: UUID, services: Serving, caller: Caller, admitted: Downloading
) -> Response:
    """Return a file's bytes, whole or one range of them.

    While its job is archived this answers 409 with `archive`, the address of the same bytes inside the archive.
    """
    file, reader = await services.files.catalog.open(file_id, owner=caller.scope)
    return await serve_content(Representation.of_file(file), reader, request, admitted)


@router.patch(
    "/{file_id}",
    response_model=FileRead,
    openapi_extra=CHANGING,
    responses={
        **_READ_PROBLEMS,
        **problems(errors.FileArchived, errors.ArchiveOfJob, errors.FileNotReady, errors.PreconditionFailed),
        **document_problems(),
    },
)
async def update_file(
    request: Request, response: Response, file_id: UUID, change: FileUpdate, services: Serving, caller: Caller
) -> MediaFile:
    """Rename a file or set when it expires; `If-Match` takes the entity tag of the file's document."""
    changed = await services.files.catalog.change(
        file_id,
        owner=caller.scope,
        actor=caller.owner,
        filename=change.filename,
        expiry=change.expiry(),
        condition=changing(request, content_too=False),
    )
    response.headers["ETag"] = row_tag(changed)
    return changed


def _upload(asked: FileCreate, owner: str, declared_type: str, *, declared_bytes: int | None = None) -> Upload:
    return Upload(
        owner=owner,
        category=asked.category,
        filename=asked.filename,
        declared_type=clean_media_type(declared_type),
        declared_bytes=declared_bytes,
        expiry=asked.expiry(),
        job_id=asked.job_id,
        parent_id=asked.parent_id,
    )


def _merge(query: dict[str, Any], told: Mapping[str, str], filename: str | None) -> dict[str, Any]:
    twice = query.keys() & told.keys()
    if twice:
        raise InvalidRequest(min(twice), "given in the query and in the form")
    return {**({"filename": filename} if filename else {}), **query, **told}


def _validated(fields: dict[str, Any]) -> FileCreate:
    try:
        return FileCreate.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
