"""Uploads in pieces: tus 1.0, and what is under way as documents."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from media_analysis import errors
from media_analysis.api import API_PATH, tus
from media_analysis.api.bodies import announced_bytes, content_of
from media_analysis.api.dependencies import Caller, Serving, Uploading
from media_analysis.api.document import location
from media_analysis.api.errors import problems
from media_analysis.api.pages import PageQuery
from media_analysis.api.place import address
from media_analysis.api.schemas.resumable import UploadList, UploadRead
from media_analysis.errors import MalformedHeader, PieceTypeNotAccepted, ProtocolVersionUnknown, UploadJoined
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.resumable.pieces import Piece

_PROBLEMS: Final = problems(errors.TokenRejected, errors.InvalidRequest, errors.DatabaseUnavailable)
_KNOWN_PROBLEMS: Final = {**_PROBLEMS, **problems(errors.UploadNotFound, errors.UploadGone)}
_STORING: Final = (
    errors.TooManyAtOnce,
    errors.UploadStalled,
    errors.UploadTooSlow,
    errors.UploadOverdue,
    errors.UploadLeaseLost,
    errors.JobArchived,
    errors.UploadTooLarge,
    errors.LengthPassed,
    errors.MediaTypeNotAccepted,
    errors.PieceTypeNotAccepted,
    errors.ContentCodingNotAccepted,
    errors.IncompleteUpload,
    errors.ChecksumMismatch,
    errors.MalformedHeader,
    errors.ProtocolVersionUnknown,
    errors.ObjectBusy,
    errors.StoreUnavailable,
    errors.QuotaReached,
    errors.OwnerQuotaReached,
    errors.DiskReserveReached,
    errors.DiskFull,
)
router = APIRouter(prefix=tus.UPLOADS_PATH, tags=["uploads"])


@router.post(
    "",
    status_code=201,
    response_class=Response,
    openapi_extra=tus.CREATING,
    responses={
        201: {"headers": {**location("Where the upload goes on"), **tus.MOVED}},
        **_KNOWN_PROBLEMS,
        **problems(*_STORING, errors.UploadNotWhole, errors.UploadJoined),
    },
)
async def create_upload(request: Request, services: Serving, caller: Caller, admitted: Uploading) -> Response:
    """Begin an upload in pieces, or join those that are there; an announced length reserves nothing."""
    _require_version(request)
    told, resumable = request.headers, services.files.resumable
    parts, metadata_text = tus.read_concat(told), told.get("Upload-Metadata", "")
    metadata = tus.read_metadata(metadata_text)
    if not _brings_bytes(request):  # a digest is never ignored, that of nothing neither
        async for _ in tus.checked(content_of(request, admitted), told):
            pass
    elif parts:
        raise UploadJoined
    if parts:
        upload = tus.upload_of(metadata, caller.owner, None)
        concat = told["Upload-Concat"]
        known = await resumable.join(upload, parts, metadata=metadata_text, concat=concat)
        return Response(status_code=201, headers={"Location": _address(known), **tus.describe(known)})
    length_bytes = tus.read_length(told)
    piece = _piece(request, admitted, 0) if _brings_bytes(request) else None
    known = await resumable.create(
        tus.upload_of(metadata, caller.owner, length_bytes), metadata=metadata_text, is_partial=parts is not None
    )
    if piece is None and length_bytes != 0:
        return Response(status_code=201, headers={"Location": _address(known), **tus.describe_end(known)})
    known = await resumable.append(known.id, piece or Piece(offset_bytes=0), owner=caller.owner)
    return Response(status_code=201, headers={"Location": _address(known), **tus.describe(known)})


@router.get("", responses=_PROBLEMS)
async def list_uploads(services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]) -> UploadList:
    """List the uploads under way, newest first."""
    page = await services.files.resumable.list(owner=caller.scope, before=query.before(), limit=query.limit)
    return UploadList.from_page(page)


@router.get("/{upload_id}", responses=_KNOWN_PROBLEMS)
async def read_upload(upload_id: UUID, services: Serving, caller: Caller) -> UploadRead:
    """Describe an upload, and disturb nobody who brings its bytes."""
    return UploadRead.from_upload(await services.files.resumable.get(upload_id, owner=caller.scope))


@router.head(
    "/{upload_id}",
    response_class=Response,
    openapi_extra=tus.ASKING,
    responses={
        200: {"headers": tus.PROGRESS},
        **_KNOWN_PROBLEMS,
        **problems(*_STORING, errors.OffsetMismatch),  # what is all here is stored
    },
)
async def find_offset(upload_id: UUID, request: Request, services: Serving, caller: Caller) -> Response:
    """Tell how many bytes are durable, for whoever goes on; a request that still brings some is ended first."""
    _require_version(request)
    known = await services.files.resumable.settle(upload_id, owner=caller.scope)
    return Response(status_code=200, headers=tus.describe_all(known))


@router.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=tus.APPENDING,
    responses={
        204: {"headers": {**location("Where the file is, once all of it came"), **tus.MOVED}},
        **_KNOWN_PROBLEMS,
        **problems(*_STORING, errors.OffsetMismatch, errors.UploadSuperseded, errors.UploadJoined),
    },
)
async def append_to_upload(
    upload_id: UUID, request: Request, services: Serving, caller: Caller, admitted: Uploading
) -> Response:
    """Bring bytes; what is answered for is durable, and with the last of them the upload is a file."""
    _require_version(request)
    offset_bytes = tus.read_number(request.headers, "Upload-Offset")
    if offset_bytes is None:
        raise MalformedHeader("Upload-Offset", "must tell where the bytes begin")
    if (told := request.headers.get("Upload-Metadata")) is not None:
        begun = await services.files.resumable.get(upload_id, owner=caller.scope)
        if tus.read_metadata(told) != tus.read_metadata(begun.metadata):
            raise MalformedHeader("Upload-Metadata", "must be what was said when the upload was made")
    piece = _piece(request, admitted, offset_bytes)
    known = await services.files.resumable.append(upload_id, piece, owner=caller.scope)
    headers = tus.describe(known)
    if known.is_stored:
        headers["Location"] = address(f"{API_PATH}/files/{known.id}")
    return Response(status_code=204, headers=headers)


@router.delete(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=tus.ASKING,
    responses={**_KNOWN_PROBLEMS, **problems(errors.UploadFinished, errors.ProtocolVersionUnknown, errors.ObjectBusy)},
)
async def terminate_upload(upload_id: UUID, request: Request, services: Serving, caller: Caller) -> Response:
    """Give an upload up with all that came of it; a file that it became is deleted as a file."""
    _require_version(request)
    await services.files.resumable.terminate(upload_id, owner=caller.scope)
    return Response(status_code=204)


def _require_version(request: Request) -> None:
    if request.headers.get("Tus-Resumable") != tus.VERSION:
        raise ProtocolVersionUnknown


def _brings_bytes(request: Request) -> bool:
    return bool(announced_bytes(request)) or "transfer-encoding" in request.headers


def _piece(request: Request, admitted: Uploading, offset_bytes: int) -> Piece:
    told = request.headers.get("Content-Type", "")
    if told != tus.PIECE:
        raise PieceTypeNotAccepted(told, accepted=(tus.PIECE,))
    body = content_of(request, admitted)
    checked = tus.checked(body, request.headers)
    return Piece(
        offset_bytes=offset_bytes,
        body=checked,
        announced_bytes=announced_bytes(request),
        length_bytes=tus.read_number(request.headers, "Upload-Length") if request.method == "PATCH" else None,
        is_checked=checked is not body or "content-digest" in request.headers,
    )


def _address(known: KnownUpload) -> str:
    return address(f"{tus.UPLOADS_PATH}/{known.id}")
