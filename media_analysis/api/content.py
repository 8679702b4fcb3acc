"""Serving bytes: validators, ranges and safe headers (RFC 9110 sections 8.8, 13 and 14)."""

import asyncio
import base64
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final, Self
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from media_analysis.api.conditions import READING, Conditions, content_tag, request_header
from media_analysis.api.errors import PROBLEM_CONTENT, problems
from media_analysis.api.exchanges import wait_until_left
from media_analysis.api.redirects import REDIRECTED, Signing, redirected
from media_analysis.api.writing import REGIONS
from media_analysis.errors import PreconditionFailed, TooManyAtOnce
from media_analysis.files.archived import ArchivedFile
from media_analysis.files.models import MediaFile
from media_analysis.files.reading import StoredContent
from media_analysis.sessions.admission import Admitted
from media_analysis.storage.reading import Sendable
from media_analysis.storage.store import ObjectReader

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_POLICIES: Final = {
    "attachment": "sandbox; default-src 'none'; frame-ancestors 'none'",
    # A browser shows a film by a page of its own, which has a style and asks for the film again as the same origin.
    "inline": (
        "sandbox allow-same-origin; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
        "frame-ancestors 'none'"
    ),
}
"""What bytes may do in a browser, by their disposition; nothing of them ever runs."""
_SAFE: Final = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}


BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
ANY_BYTES: Final = {kind: {**BINARY, "example": "the bytes"} for kind in ("application/octet-stream", "*/*")}
"""The content of a request that brings bytes: its media type is a hint, and may be any."""


RANGES: Final[dict[str, Any]] = {
    "parameters": [
        *READING["parameters"],
        request_header("Range", "One range of bytes; several, or malformed ones, give the whole file"),
        request_header("If-Range", "The entity tag the range belongs to"),
    ]
}


def content_responses(
    refusals: Mapping[int | str, dict[str, Any]], *, ranges: bool, redirects: bool = False
) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that serves bytes, with or without ranges of them and redirects."""
    content = dict.fromkeys(("application/octet-stream", "*/*"), BINARY)  # some clients know no type of all types
    whole: dict[int | str, dict[str, Any]] = {
        **refusals,
        200: {"content": content, "description": "The whole file"},
        304: {"description": "Not modified"},
        **problems(PreconditionFailed, TooManyAtOnce),
    }
    if not ranges:
        return whole
    return {
        **whole,
        **(REDIRECTED if redirects else {}),
        206: {"content": content, "description": "The range asked for"},
        416: {"content": PROBLEM_CONTENT, "description": "The range lies outside the file"},
    }


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Representation:
    """What is told of bytes beside them, wherever they lie."""

    filename: str
    media_type: str
    etag: str
    sha256: bytes | None
    stored_at: datetime | None
    disposition: str = "attachment"
    """What a browser does with them (RFC 6266)."""

    @classmethod
    def of_file(cls, file: MediaFile | StoredContent) -> Self:
        """Return what is told of a file's bytes."""
        return cls(
            filename=file.filename,
            media_type=file.media_type,
            etag=content_tag(file),
            sha256=file.sha256,
            stored_at=file.stored_at,
        )

    @classmethod
    def of_copy(cls, copy: ArchivedFile) -> Self:
        """Return what is told of a file inside an archive: what was told of it before, and will be once it is back."""
        return cls(
            filename=copy.filename,
            media_type=copy.media_type,
            etag=content_tag(copy),
            sha256=copy.sha256,
            stored_at=copy.stored_at,
        )


def parse_range(value: str | None, size_bytes: int) -> ByteRange | None:
    """Return the one range asked for; None for the whole, as for anything malformed or in several pieces.

    Raises:
        ValueError: the range lies outside the file.

    """
    match = _RANGE.fullmatch(value.replace(" ", "")) if value else None
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), min(size_bytes, int(last) + 1) if last else size_bytes
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise ValueError("range outside the file")
    return ByteRange(start, end)


async def serve_content(
    told: Representation,
    reader: ObjectReader,
    request: Request,
    admitted: Admitted,
    sign: Signing = lambda: None,
) -> Response:
    """Return the response that streams opened bytes, or leads to where `sign` says that they are to be had.

    `reader` is closed whatever happens.

    Raises:
        PreconditionFailed: the bytes are not what the request says.
        HTTPException: 416, the range lies outside the file.

    """
    try:
        served = ContentResponse(told, reader, request.headers, admitted, ranges=request.method == "GET")
        elsewhere = redirected(request, told.etag, sign) if served.has_content else None
        if elsewhere is None:
            return served
    except BaseException:
        await reader.close()
        raise
    await reader.close()
    return elsewhere


class ContentResponse(Response):
    """A file's bytes, whole or in part, streamed from its opened object, which it always closes.

    Only GET knows ranges (RFC 9110 section 14.2). What shows at the first piece to be unreadable is answered with a
    problem; what shows later breaks the answer off, and so does the end of the token.
    """

    def __init__(
        self, told: Representation, reader: ObjectReader, headers: Headers, admitted: Admitted, *, ranges: bool
    ) -> None:
        self._reader, self._admitted = reader, admitted
        super().__init__(status_code=200, media_type=None)
        self._span = self._choose(told, headers, ranges=ranges)
        self._describe(told)

    @property
    def has_content(self) -> bool:
        """Whether bytes are to follow, unless only their head is asked for."""
        return self._span is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.ensure_future(wait_until_left(receive))
        try:
            async with aclosing(self._read(scope)) as chunks:
                chunk = await anext(chunks, None)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                while chunk is not None and not leaving.done():  # what is sent to nobody is dropped, not refused
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    if self._admitted.is_rejected:
                        return  # the server breaks off an answer that does not end
                    chunk = await anext(chunks, None)
            if not leaving.done():
                await send({"type": "http.response.body", "body": b""})
        finally:
            leaving.cancel()
            await self._reader.close()

    async def _read(self, scope: Scope) -> AsyncGenerator[Sendable]:
        if self._span is not None and scope["method"] != "HEAD":
            read = self._reader.regions if REGIONS in scope.get("extensions", ()) else self._reader.read
            async for chunk in read(self._span.start, self._span.end):
                yield chunk

    def _choose(self, told: Representation, headers: Headers, *, ranges: bool) -> ByteRange | None:
        """Decide between 200, 206, 304, 412 and 416; conditions come before ranges (RFC 9110 section 13.2.2)."""
        asked = Conditions.of_read(headers)
        asked.require(frozenset({told.etag}), told.stored_at)
        if asked.is_known(told.etag, told.stored_at):
            self.status_code = 304
            return None
        size_bytes = self._reader.size_bytes
        same = headers.get("if-range", told.etag) == told.etag
        try:
            span = parse_range(headers.get("range") if ranges and same else None, size_bytes)
        except ValueError as error:
            outside = {"Content-Range": f"bytes */{size_bytes}"}
            raise HTTPException(416, "Range not satisfiable", headers=outside) from error
        if span is None:
            return ByteRange(0, size_bytes)
        self.status_code = 206
        self.headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size_bytes}"
        return span

    def _describe(self, told: Representation) -> None:
        length = None if self._span is None else self._span.end - self._span.start
        del self.headers["Content-Length"]
        self.raw_headers += content_headers(told, length)


def content_headers(told: Representation, length: int | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer with `length` bytes of a file, or, with None, of one that they are unchanged."""
    headers = {**_SAFE, "Content-Security-Policy": _POLICIES[told.disposition], "ETag": told.etag}
    if told.stored_at is not None:
        # The database's clock may be ahead of the one that dates the answer (RFC 9110 section 8.8.2.1).
        modified_at = min(told.stored_at, datetime.now(UTC))
        headers["Last-Modified"] = format_datetime(modified_at.astimezone(UTC), usegmt=True)
    if length is not None:
        headers["Content-Type"] = told.media_type
        headers["Content-Length"] = str(length)
        headers["Content-Disposition"] = _disposition(told.disposition, told.filename)
        if told.sha256 is not None:
            headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(told.sha256).decode()}:"
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


def _disposition(kind: str, filename: str) -> str:
    """Name a download twice (RFC 6266): some clients, curl among them, read nothing but the plain parameter.

    It holds the same name in UTF-8; a quote or a backslash, whose escapes few understand, becomes an underscore.
    """
    plain = re.sub(r'["\\\x00-\x1f\x7f]', "_", filename).encode().decode("latin-1")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
