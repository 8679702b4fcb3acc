"""Serving bytes: validators, ranges and safe headers (RFC 9110 sections 8.8, 13 and 14)."""

import base64
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from media_analysis.files.models import MediaFile
from media_analysis.storage.store import ObjectReader

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to, not including, `end`."""

    start: int
    end: int


def parse_range(value: str | None, size_bytes: int) -> Span | None:
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
    return Span(start, end)


async def serve_content(file: MediaFile, reader: ObjectReader, request: Request) -> Response:
    """Return the response that streams a file's opened bytes; `reader` is closed whatever happens.

    Raises:
        HTTPException: 416, the range lies outside the file.

    """
    try:
        return ContentResponse(file, reader, request.headers, ranges=request.method == "GET")
    except BaseException:
        await reader.close()
        raise


class ContentResponse(Response):
    """A file's bytes, whole or in part, streamed from its opened object, which it always closes.

    Only GET knows ranges (RFC 9110 section 14.2).
    """

    def __init__(self, file: MediaFile, reader: ObjectReader, headers: Headers, *, ranges: bool) -> None:
        self._reader = reader
        self._etag = _etag_of(file)
        super().__init__(status_code=200, media_type=None)
        self._span = self._choose(headers, ranges=ranges)
        self._describe(file)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self._span is not None and scope["method"] != "HEAD":
                async for chunk in self._reader.read(self._span.start, self._span.end):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await self._reader.close()

    def _choose(self, headers: Headers, *, ranges: bool) -> Span | None:
        """Decide between 200, 206, 304 and 416; conditions come before ranges (RFC 9110 section 13.2.2)."""
        if _matches(headers.getlist("if-none-match"), self._etag):
            self.status_code = 304
            return None
        size_bytes = self._reader.size_bytes
        same = headers.get("if-range", self._etag) == self._etag
        try:
            span = parse_range(headers.get("range") if ranges and same else None, size_bytes)
        except ValueError as error:
            outside = {"Content-Range": f"bytes */{size_bytes}"}
            raise HTTPException(416, "Range not satisfiable", headers=outside) from error
        if span is None:
            return Span(0, size_bytes)
        self.status_code = 206
        self.headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size_bytes}"
        return span

    def _describe(self, file: MediaFile) -> None:
        self.headers.update(_SAFE)
        self.headers["ETag"] = self._etag
        if file.stored_at is not None:
            self.headers["Last-Modified"] = file.stored_at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        if self._span is None:
            del self.headers["Content-Length"]  # not modified: there is no content to describe
            return
        self.headers["Content-Type"] = file.media_type
        self.headers["Content-Length"] = str(self._span.end - self._span.start)
        self.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}"
        if file.sha256 is not None:
            self.headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(file.sha256).decode()}:"


def _etag_of(file: MediaFile) -> str:
    """Name the bytes by their hash, or, while an adopted file has none, by whose they are: they never change."""
    return f'"{file.id.hex}-{file.size_bytes}"' if file.sha256 is None else f'"{file.sha256.hex()}"'


def _matches(if_none_match: list[str], etag: str) -> bool:
    candidates = [candidate.strip().removeprefix("W/") for line in if_none_match for candidate in line.split(",")]
    return "*" in candidates or etag in candidates
