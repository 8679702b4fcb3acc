"""Files: upload, list, read, content, change, delete, restore, hold, and why they go when they go."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.bodies import content_of
from media_analysis.api.conditions import CHANGING, READING, ROW, Conditions, changing, row_tag
from media_analysis.api.content import RANGES, Representation, content_responses, serve_content
from media_analysis.api.dependencies import Caller, Downloading, Serving, Uploading
from media_analysis.api.document import location
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import ADMIN_PROBLEMS, document_problems, problems
from media_analysis.api.place import address
from media_analysis.api.resources import LARGEST
from media_analysis.api.schemas.files import (
    ContentRead,
    FileCheck,
    FileCheckRead,
    FileList,
    FileListQuery,
    FileQuery,
    FileRead,
    FileUpdate,
    dump_files,
)
from media_analysis.api.schemas.holds import HoldCreate, HoldRead
from media_analysis.api.schemas.removals import FileDeleteQuery, FileRemovalRead
from media_analysis.api.schemas.retention import FileRetention
from media_analysis.api.uploads import UPLOAD, IdempotencyKey, UploadReader
from media_analysis.deletion.selection import NOTHING
from media_analysis.files.models import MediaFile
from media_analysis.retention.explain.explanation import Explanation

CHECK_BYTES: Final = 256 * 1024
router = APIRouter(
    prefix=f"{API_PATH}/files",
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)


@router.post(
    "",
    tags=["files"],
    status_code=201,
    response_model=FileRead,
    openapi_extra=UPLOAD,
    responses={
        201: {"headers": location("Where the file is")},
        **problems(
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
    },
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
    reader = UploadReader(services.files.uploads.limits, caller, idempotency_key)
    asked = await reader.read(request, query, content_of(request, admitted))
    await services.files.catalog.require_parent(asked.upload.parent_id, caller)
    stored = await services.files.uploads.store_file(asked.upload, asked.body, asked.completed)
    response.headers["Location"] = address(f"{API_PATH}/files/{stored.id}")
    return stored


@router.get(
    "", tags=["files"], response_model=FileList, responses=problems(errors.TokenRejected, errors.InvalidRequest)
)
async def list_files(services: Serving, caller: Caller, query: Annotated[FileListQuery, Query()]) -> Response:
    """List living files, newest first; with `expires_before` that which ends next comes first."""
    wanted = query.wanted(scope=caller.scope).within(caller.limit)
    page = await services.files.catalog.list(wanted, after=query.after(), limit=query.limit)
    return Response(dump_files(page), media_type="application/json")


@router.post(
    "/check",
    tags=["files"],
    openapi_extra={"requestBody": {LARGEST: CHECK_BYTES}},
    responses={**problems(errors.TokenRejected, errors.InvalidRequest), **document_problems()},
)
async def check_files(asked: FileCheck, services: Serving, caller: Caller) -> FileCheckRead:
    """Say which contents the caller has as files already, so that they need not be sent; of others nothing is told."""
    contents = [item.content() for item in asked.items]
    known = await services.files.catalog.find_contents(contents, owner=caller.owner, limit=caller.limit)
    found = [ContentRead(**content._asdict(), **_known(known.get(content))) for content in contents]
    return FileCheckRead(items=found)


def _known(found: tuple[UUID, datetime | None] | None) -> dict[str, Any]:
    file_id, expires_at = found or (None, None)
    return {"file_id": file_id, "expires_at": expires_at}


_READ_PROBLEMS = problems(
    errors.TokenRejected, errors.FileNotFound, errors.FileArchived, errors.FileGone, errors.InvalidRequest
)


@router.get(
    "/{file_id}",
    tags=["files"],
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
    tags=["files"],
    response_class=Response,
    openapi_extra=RANGES,
    responses=content_responses(_CONTENT_PROBLEMS, ranges=True, redirects=True),
)
@router.head(
    "/{file_id}/content",
    tags=["files"],
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
    return await serve_content(Representation.of_file(file), reader, request, admitted, services.files.signing.of(file))


@router.patch(
    "/{file_id}",
    tags=["files"],
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
    """Rename a file, label it or set when it expires; `If-Match` takes the entity tag of the file's document."""
    relabel = change.relabel()
    changed = await services.files.catalog.change(
        file_id,
        owner=caller.scope,
        actor=caller.owner,
        filename=change.filename,
        expiry=change.expiry(),
        relabel=relabel if relabel is None or caller.limit is None else caller.limit.keeping(relabel),
        condition=changing(request, caller, content_too=False),
    )
    response.headers["ETag"] = row_tag(changed)
    return changed


@router.delete(
    "/{file_id}",
    tags=["files"],
    response_model=FileRemovalRead,
    response_description="What went with it, or would",
    openapi_extra=CHANGING,
    responses={
        204: {"description": "Deleted, and nothing else with it"},
        **problems(
            *ADMIN_PROBLEMS,
            errors.MarkerMismatch,
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
    asked, derived = query.request(caller, changing(request, caller, content_too=True)), query.derived == "take"
    if query.dry_run:
        told = await services.retention.file_deletions.preview(file_id, asked, owner=caller.scope, derived=derived)
        return FileRemovalRead.from_removal(told, dry_run=True)
    gone = await services.retention.file_deletions.delete(file_id, asked, owner=caller.scope, derived=derived)
    if gone.derived.total.files or gone.results or (asked.secure and gone.remaining != NOTHING):
        return FileRemovalRead.from_removal(gone, dry_run=False)
    return Response(status_code=204)


@router.post(
    "/{file_id}/restore",
    tags=["trash"],
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


_HOLD_PROBLEMS = problems(
    *ADMIN_PROBLEMS, errors.FileNotFound, errors.FileGone, errors.FileArchived, errors.FileNotReady
)


@router.put("/{file_id}/hold", tags=["holds"], responses={**_HOLD_PROBLEMS, **document_problems()})
async def hold_file(file_id: UUID, asked: HoldCreate, services: Serving, caller: Caller) -> HoldRead:
    """Keep a file, whatever its expiry says and whoever wants it deleted; a hold it has is replaced.

    A file in the trash stays there, unreadable, and is not purged. What an administrator holds of somebody else's,
    only an administrator may hold differently or release.
    """
    hold = await services.retention.holds.hold_file(file_id, asked.request(caller.owner), owner=caller.scope)
    return HoldRead.from_hold(file_id, hold)


@router.delete("/{file_id}/hold", tags=["holds"], status_code=204, responses=_HOLD_PROBLEMS)
async def release_file(file_id: UUID, services: Serving, caller: Caller) -> None:
    """Release a file from its own hold, that of its job apart; it goes at the next sweep if its time has come."""
    await services.retention.holds.release_file(file_id, owner=caller.scope, actor=caller.owner)


@router.get(
    "/{file_id}/retention",
    tags=["files"],
    response_model=FileRetention,
    responses=problems(errors.TokenRejected, errors.InvalidRequest, errors.FileNotFound),
)
async def explain_file(file_id: UUID, services: Serving, caller: Caller) -> Explanation:
    """Say when a file goes, by which rule, and what happened to it; deleted files are explained, too."""
    told = await services.retention.explanations.explain(file_id, owner=caller.scope)
    return told if caller.limit is None else told.without_rank()
