"""Links: signed addresses for one file, made and revoked with a token, used without one."""

from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.bodies import announced_bytes, content_of, normal_media_type
from media_analysis.api.conditions import READING
from media_analysis.api.content import ANY_BYTES, RANGES, Representation, content_responses, serve_content
from media_analysis.api.dependencies import Administrator, Caller, Linked, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import ADMIN_PROBLEMS, PROBLEM_CONTENT, document_problems, problems
from media_analysis.api.multipart import is_form
from media_analysis.api.place import absolute_address, address
from media_analysis.api.schemas.links import (
    UNNAMED,
    LinkCreate,
    LinkCreated,
    LinkKeyList,
    LinkKeyRead,
    LinkKeyRotate,
    LinkList,
    LinkQuery,
    LinkRead,
    ReceivedRead,
    UploadLinkCreate,
)
from media_analysis.errors import InvalidRequest
from media_analysis.files.links.models import Link, LinkDisposition, LinkKey, LinkKind
from media_analysis.files.links.service import MadeLink
from media_analysis.values import Filename

LINKS: Final = "/links"
_NAME: Final = TypeAdapter(Filename)
_MAKING: Final = problems(errors.TokenRejected, errors.InvalidRequest, errors.TooManyAtOnce)
_OWN: Final = problems(errors.TokenRejected, errors.LinkNotFound, errors.InvalidRequest)
_LEADING: Final[dict[int | str, dict[str, Any]]] = {
    405: {"content": PROBLEM_CONTENT, "description": "The link is for something else"},
    **problems(errors.LinkNotFound, errors.LinkGone, errors.TooManyWrongTokens, errors.InvalidRequest),
}
_READING: Final = {**_LEADING, **problems(errors.ObjectDamaged, errors.ObjectMissing)}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "description": "The bytes alone", "content": ANY_BYTES}
}
_BRINGING: Final[dict[int | str, dict[str, Any]]] = {
    **_LEADING,
    **problems(
        errors.LinkInUse,
        errors.TooManyAtOnce,
        errors.UploadStalled,
        errors.UploadTooSlow,
        errors.UploadOverdue,
        errors.UploadLeaseLost,
        errors.UploadTooLarge,
        errors.MediaTypeNotAccepted,
        errors.ContentCodingNotAccepted,
        errors.InvalidRequest,
        errors.DigestMismatch,
        errors.IncompleteUpload,
        errors.StoreUnavailable,
        errors.QuotaReached,
        errors.OwnerQuotaReached,
        errors.DiskReserveReached,
        errors.DiskFull,
    ),
}
Named = Annotated[str, Path(alias="filename", description="Any name; that of the file stands there as it was made")]
router = APIRouter(responses=problems(errors.DatabaseUnavailable), route_class=DocumentRoute)


@router.post(
    f"{API_PATH}/files/{{file_id}}/links",
    tags=["links"],
    status_code=201,
    responses={
        **_MAKING,
        **problems(errors.FileNotFound, errors.FileArchived, errors.FileGone, errors.FileNotReady),
        **document_problems(),
    },
)
async def create_link(
    request: Request, response: Response, file_id: UUID, asked: LinkCreate, services: Serving, caller: Caller
) -> LinkCreated:
    """Make an address at which anybody reads a file without a token, until it expires, is revoked, or the file goes."""
    made = await services.files.links.share(
        file_id, by=caller, lifetime=asked.lifetime(), disposition=asked.disposition
    )
    return _told(request, response, made)


@router.post(
    f"{API_PATH}/uploads/links",
    tags=["uploads"],
    status_code=201,
    responses={**_MAKING, **problems(errors.SessionLimited), **document_problems()},
)
async def create_upload_link(
    request: Request, response: Response, asked: UploadLinkCreate, services: Serving, caller: Caller
) -> LinkCreated:
    """Make an address to which anybody sends the bytes of one file, once, without a token; it counts as the maker's."""
    labels = asked.labels if caller.limit is None else caller.limit.label(asked.category, asked.labels)
    made = await services.files.links.invite(
        asked.upload(caller.owner, labels), max_bytes=asked.max_bytes, by=caller, lifetime=asked.lifetime()
    )
    return _told(request, response, made)


@router.get(f"{API_PATH}/links", tags=["links"], responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def list_links(services: Serving, caller: Caller, query: Annotated[LinkQuery, Query()]) -> LinkList:
    """List links to the caller's files, or to everybody's for an administrator; newest first, ended ones too."""
    page = await services.files.links.list(
        owner=caller.scope, file_id=query.file_id, before=query.before(), limit=query.limit
    )
    return LinkList.from_page(page)


@router.get(f"{API_PATH}/links/keys", tags=["link keys"], responses=problems(*ADMIN_PROBLEMS))
async def list_link_keys(services: Serving, _administrator: Administrator) -> LinkKeyList:
    """List the keys that sign links, newest first, and never what they sign with."""
    return LinkKeyList(items=list(map(LinkKeyRead.model_validate, await services.files.links.list_keys())))


@router.post(
    f"{API_PATH}/links/keys",
    tags=["link keys"],
    status_code=201,
    response_model=LinkKeyRead,
    responses={**problems(*ADMIN_PROBLEMS), **document_problems()},
)
async def rotate_link_key(asked: LinkKeyRotate, services: Serving, administrator: Administrator) -> LinkKey:
    """Let a new key sign links from now on; `end_links` ends all links of the others, for a key that got out."""
    return await services.files.links.rotate(by=administrator, ends_links=asked.end_links)


@router.get(f"{API_PATH}/links/{{link_id}}", tags=["links"], response_model=LinkRead, responses=_OWN)
async def read_link(link_id: UUID, services: Serving, caller: Caller) -> Link:
    """Describe a link, but for its address, which was told once."""
    return await services.files.links.get(link_id, owner=caller.scope)


@router.delete(
    f"{API_PATH}/links/{{link_id}}",
    tags=["links"],
    status_code=204,
    responses={**_OWN, **problems(errors.ScopeMissing)},
)
async def revoke_link(link_id: UUID, services: Serving, caller: Caller) -> None:
    """End a link at once, and what is read or brought by it within a second or two."""
    await services.files.links.revoke(link_id, by=caller)


@router.get(
    f"{LINKS}/{{reference}}/{{filename}}",
    tags=["by link"],
    response_class=Response,
    openapi_extra=RANGES,
    responses=content_responses(_READING, ranges=True, redirects=True),
)
@router.head(
    f"{LINKS}/{{reference}}/{{filename}}",
    tags=["by link"],
    response_class=Response,
    openapi_extra=READING,
    responses=content_responses(_READING, ranges=False),
)
async def read_by_link(request: Request, services: Serving, linked: Linked, _name: Named) -> Response:
    """Return the bytes of a link's file, whole or one range of them, as its maker said: an attachment, or inline."""
    _require(linked.link.kind, LinkKind.DOWNLOAD)
    file, reader = await services.files.links.open(linked.link)
    told = replace(Representation.of_file(file), disposition=linked.link.disposition)
    if linked.link.disposition is LinkDisposition.INLINE:
        return await serve_content(told, reader, request, linked.admitted)
    sign = services.files.signing.of(file, until=linked.link.expires_at)
    return await serve_content(told, reader, request, linked.admitted, sign)


@router.put(
    f"{LINKS}/{{reference}}/{{filename}}", tags=["by link"], status_code=201, openapi_extra=_BODY, responses=_BRINGING
)
async def put_by_link(request: Request, services: Serving, linked: Linked, name: Named) -> ReceivedRead:
    """Bring the file of a link, once: its bytes, and nothing else."""
    _require(linked.link.kind, LinkKind.UPLOAD)
    declared_type = request.headers.get("content-type", "")
    _require_bytes_alone(request, declared_type)
    try:
        stored = await services.files.links.receive(
            linked.link,
            content_of(request, linked.admitted),
            filename=_NAME.validate_python(name),
            declared_type=normal_media_type(declared_type),
            declared_bytes=announced_bytes(request),
        )
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    except errors.TokenRejected as error:
        raise errors.LinkGone("revoked") from error
    return ReceivedRead.from_file(stored)


@router.post(
    f"{LINKS}/{{reference}}/{{filename}}", tags=["by link"], status_code=201, openapi_extra=_BODY, responses=_BRINGING
)
async def post_by_link(request: Request, services: Serving, linked: Linked, name: Named) -> ReceivedRead:
    """Do the same, for clients that know no PUT."""
    return await put_by_link(request, services, linked, name)


def _require(kind: LinkKind, needed: LinkKind) -> None:
    """Refuse what a link is not for; whoever has it may know what it is for."""
    if kind is not needed:
        allow = "GET, HEAD, OPTIONS" if kind is LinkKind.DOWNLOAD else "OPTIONS, POST, PUT"
        raise HTTPException(405, headers={"Allow": allow})


def _require_bytes_alone(request: Request, declared_type: str) -> None:
    """Refuse what says more than bytes do, and would be overlooked.

    Raises:
        InvalidRequest: there is such a thing.

    """
    if is_form(declared_type):
        raise InvalidRequest("Content-Type", "the body is the file itself; forms are not taken here")
    if request.url.query:
        raise InvalidRequest("query", "what the file is to be was said when its link was made")
    if "idempotency-key" in request.headers:
        raise InvalidRequest("Idempotency-Key", "is remembered by POST /files only; a link is used once by itself")


def _told(request: Request, response: Response, made: MadeLink) -> LinkCreated:
    response.headers["Location"] = address(f"{API_PATH}/links/{made.link.id}")
    response.headers["Cache-Control"] = "no-store"
    path = f"{LINKS}/{made.reference}/{_in_path(made.filename or UNNAMED)}"
    return LinkCreated.from_link(made.link, absolute_address(request.scope, path))


def _in_path(filename: str) -> str:
    """Return a name as the last part of a path; what no path can hold, in any spelling, becomes an underscore."""
    name = filename.replace("/", "_").replace("\\", "_")
    return quote("_" if name in {".", ".."} else name, safe="")
