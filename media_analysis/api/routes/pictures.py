"""Pictures of files: the one shown at an instant, and one that stands for all of it."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.conditions import READING, Conditions
from media_analysis.api.content import BINARY, Representation, content_headers
from media_analysis.api.dependencies import Caller, Downloading, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import problems
from media_analysis.api.exchanges import CLIENT_LEFT, wait_until_left
from media_analysis.api.schemas.base import RequestDocument
from media_analysis.errors.analysis import PicturesBusy
from media_analysis.errors.media import InstantPastEnd
from media_analysis.files.models import MediaFile
from media_analysis.media.options import Instant
from media_analysis.renditions.wishes import PictureWish
from media_analysis.runtime import Runtime

CACHED_SECONDS: Final = 24 * 3600
MADE_BY: Final = 1
"""Grows when the same wish is met by other pixels, which then have another entity tag."""
JPEG: Final = "image/jpeg"
WIDTH: Final = "Pixels at most: nothing is enlarged, and what is taller than 4 times that shrinks further"
_PROBLEMS: Final = problems(
    errors.TokenRejected,
    errors.TooManyAtOnce,
    errors.FileNotFound,
    errors.FileArchived,
    errors.FileGone,
    errors.FileNotReady,
    errors.InvalidRequest,
    errors.PreconditionFailed,
    errors.NoPictures,
    errors.CorruptMedia,
    errors.UnsupportedMedia,
    errors.MediaLimitPassed,
    errors.AnalysisTimedOut,
    errors.AnalysisMemoryPassed,
    errors.AnalysisCrashed,
    PicturesBusy,
    errors.ObjectDamaged,
    errors.ObjectMissing,
)
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {JPEG: BINARY}, "description": "The picture"},
    304: {"description": "Not modified"},
}
router = APIRouter(
    prefix=f"{API_PATH}/files", responses=problems(errors.DatabaseUnavailable), route_class=DocumentRoute
)


class ThumbnailQuery(RequestDocument):
    """How large a picture is to be."""

    width: int = Field(320, ge=16, le=1_280, description=WIDTH)

    def wish(self) -> PictureWish:
        """Return the picture asked for."""
        return PictureWish(width=self.width)


class FrameQuery(RequestDocument):
    """Which picture is wanted, and how large."""

    t: Instant = Field(description="When it is shown, in seconds from the first picture")
    width: int = Field(1_280, ge=16, le=3_840, description=WIDTH)
    exact: bool = Field(True, description="False takes the last picture until then that decodes alone, which is faster")

    def wish(self) -> PictureWish:
        """Return the picture asked for."""
        return PictureWish(width=self.width, at_seconds=self.t, exact=self.exact)


@router.get(
    "/{file_id}/thumbnail",
    tags=["files"],
    response_class=Response,
    openapi_extra=READING,
    responses={**_PROBLEMS, **_PICTURE},
)
async def read_thumbnail(
    request: Request,
    file_id: UUID,
    services: Serving,
    caller: Caller,
    _admitted: Downloading,
    query: Annotated[ThumbnailQuery, Query()],
) -> Response:
    """Return a small picture that stands for a film or a picture, upright, as JPEG on white."""
    file = await _require_stored(services, file_id, caller.scope)
    return await _answer(request, services, file, query.wish())


@router.get(
    "/{file_id}/frame",
    tags=["files"],
    response_class=Response,
    openapi_extra=READING,
    responses={**_PROBLEMS, **problems(InstantPastEnd), **_PICTURE},
)
async def read_frame(
    request: Request,
    file_id: UUID,
    services: Serving,
    caller: Caller,
    _admitted: Downloading,
    query: Annotated[FrameQuery, Query()],
) -> Response:
    """Return the picture that a film shows at an instant, upright, as JPEG on white."""
    file = await _require_stored(services, file_id, caller.scope)
    return await _answer(request, services, file, query.wish())


async def _require_stored(services: Runtime, file_id: UUID, owner: str | None) -> MediaFile:
    file = await services.files.catalog.get(file_id, owner=owner)
    if file.state != "stored":
        raise errors.FileNotReady(file_id)
    return file


async def _answer(request: Request, services: Runtime, file: MediaFile, wish: PictureWish) -> Response:
    told = representation_of(file.id, wish, file.stored_at)
    asked = Conditions.of_read(request.headers)
    asked.require(frozenset({told.etag}), file.stored_at)
    if asked.is_known(told.etag, file.stored_at):
        return _response(told, None)
    content = await _unless_left(request, services, file, wish)
    return Response(status_code=CLIENT_LEFT) if content is None else _response(told, content)


def representation_of(file_id: UUID, wish: PictureWish, stored_at: datetime | None) -> Representation:
    """Return what is told of a picture beside its bytes."""
    return Representation(
        filename=f"{wish.name}.jpg",
        media_type=JPEG,
        etag=f'"{file_id.hex}-{wish.name}-{MADE_BY}"',
        sha256=None,
        stored_at=stored_at,
        disposition="inline",
    )


def picture_headers(told: Representation, length: int | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of a picture, or, with None, of an answer that it is unchanged; it never changes."""
    headers = dict(content_headers(told, length))
    headers[b"cache-control"] = f"private, max-age={CACHED_SECONDS}, immutable".encode()
    del headers[b"accept-ranges"]
    return list(headers.items())


async def _unless_left(request: Request, services: Runtime, file: MediaFile, wish: PictureWish) -> bytes | None:
    """Return a picture, None where whoever asked for it went away."""
    making = asyncio.ensure_future(services.renditions.get(file, wish))
    leaving = asyncio.ensure_future(wait_until_left(request.receive))
    try:
        await asyncio.wait({making, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return making.result() if making.done() else None
    finally:
        making.cancel()
        leaving.cancel()


def _response(told: Representation, content: bytes | None) -> Response:
    response = Response(content, status_code=304 if content is None else 200)
    response.raw_headers[:] = picture_headers(told, None if content is None else len(content))
    return response
