"""What happens around every request: its id, its log line, its latency, and a bound on its document."""

import asyncio
import re
import time
from email.utils import formatdate
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from media_analysis.api import API_PATH
from media_analysis.api.errors import problem_of
from media_analysis.api.exchanges import Exchange
from media_analysis.errors import BodyTooLarge, MediaAnalysisError, UploadStalled
from media_analysis.telemetry.metrics import Metrics

DOCUMENT_BYTES: Final = 64 * 1024
RESULT_BYTES: Final = 4 * 2**20
DOCUMENT_SECONDS: Final = 30
UPLOADS: Final = re.compile(rf"{API_PATH}/(files|jobs/[^/]+/products)/*")
RESULTS: Final = re.compile(rf"{API_PATH}/jobs/[^/]+/results/[^/]+/*")
SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
"""What a browser may do with an answer that says nothing else of it: show it, by itself."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
log = structlog.get_logger()


class RequestContext:
    """Gives a request its id, and its end a log line and a latency."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid7())
        started = time.perf_counter()
        exchange = Exchange(receive, send)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Date"] = formatdate(usegmt=True)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await exchange.send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, exchange.receive, send_with_id)
            finally:
                self._note(scope, exchange.outcome, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"].isalpha() and len(scope["method"]) < 10 else "other"  # noqa: PLR2004
        metrics: Metrics = scope["app"].state.services.metrics
        metrics.requests.observe(method=method, route=route, status=status, seconds=seconds)
        if scope["path"] not in _QUIET:
            # The query is left out: it may carry names that are nobody else's business.
            log.info("request.ended", method=method, path=scope["path"], status=status, seconds=round(seconds, 4))


class BoundedDocuments:
    """Reads request documents before anything parses them, and refuses large and slow ones; uploads stream past."""

    def __init__(self, app: ASGIApp, seconds: float = DOCUMENT_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _streams(scope) or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(receive, _limit_bytes(scope))
        except BodyTooLarge as error:
            await _refuse(error, scope, receive, send)
        except TimeoutError:
            await _refuse(UploadStalled(idle_seconds=self._seconds), scope, receive, send)
        else:
            if body is not None:
                await self._app(scope, _replay(body, receive), send)


def _streams(scope: Scope) -> bool:
    return scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]) is not None


def _limit_bytes(scope: Scope) -> int:
    return RESULT_BYTES if scope["method"] == "PUT" and RESULTS.fullmatch(scope["path"]) else DOCUMENT_BYTES


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _read(receive: Receive, limit_bytes: int) -> bytes | None:
    """Return a whole document, None when its sender left."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit_bytes:
            raise BodyTooLarge(limit_bytes=limit_bytes)
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


async def _refuse(error: MediaAnalysisError, scope: Scope, receive: Receive, send: Send) -> None:
    problem = problem_of(error)
    answer = JSONResponse(problem.marshal(), problem.status, media_type="application/problem+json")
    await answer(scope, receive, send)
