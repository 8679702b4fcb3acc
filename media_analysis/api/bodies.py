"""Bodies of uploads: streamed, checked against what was announced of them."""

import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import ClientDisconnect, Request

from media_analysis.api.digests import read_digests, verified
from media_analysis.api.requests import read_length
from media_analysis.errors import IncompleteUpload, UploadTooLarge
from media_analysis.sessions.admission import Admitted

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")


async def _received(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            if chunk:
                yield chunk
    except ClientDisconnect as error:
        raise IncompleteUpload from error


def content_of(request: Request, admitted: Admitted) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; it ends in an error unless it has the digests it announced."""
    announced = read_digests(request.headers)
    body = admitted.receive(_received(request))
    return verified(body, announced) if announced else body


def announced_bytes(request: Request) -> int | None:
    """Return the length the client told, None where it did not."""
    return read_length(request.headers.get("content-length", "").encode("latin-1"))


def require_length(request: Request, limit_bytes: int) -> None:
    """Refuse a body whose announced length alone is too much, before anything of it is asked for.

    Raises:
        UploadTooLarge: it is.

    """
    if (announced_bytes(request) or 0) > limit_bytes:
        raise UploadTooLarge(limit_bytes=limit_bytes)


def normal_media_type(declared: str) -> str | None:
    """Return a declared media type without parameters, None when it is none; it is only a hint."""
    media_type = declared.partition(";")[0].strip().lower()
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else None
