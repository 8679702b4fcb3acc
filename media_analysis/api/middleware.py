"""What happens around every request: its id, its log line, and its latency."""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from media_analysis import tracing
from media_analysis.api.exchanges import Exchange
from media_analysis.telemetry.metrics import Metrics
from media_analysis.tracing import OpenSpan, SpanKind

_SAFE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
"""What a browser may do with an answer that says nothing else of it: show it, by itself."""
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINK: Final = re.compile(r"(/links/[^/.]*)\..*", re.DOTALL)
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
log = structlog.get_logger()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


class RequestContext:
    """Gives a request its id, and its end a log line and a latency."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told_id, place, is_asked_first = "", None, False
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                told_id = value.decode("latin-1")
            elif name == b"traceparent":
                place = value.decode("latin-1")
            elif name == b"expect":
                is_asked_first = True
        request_id = told_id if _REQUEST_ID.fullmatch(told_id) else str(uuid7())
        started = time.perf_counter()
        exchange = Exchange(receive, send, is_asked_first=is_asked_first)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {b"x-request-id": request_id.encode(), b"date": _date(int(time.time()))}
                if exchange.is_asked_first:
                    # Nobody asked for the body, so that nobody knows whether it comes (RFC 9110 section 10.1.1).
                    own[b"connection"] = b"close"
                headers = [(name, value) for name, value in message["headers"] if name not in own]
                said = {name for name, _ in headers}
                headers += [*own.items(), *(safe for safe in _SAFE if safe[0] not in said)]
                message = {**message, "headers": headers}
            await exchange.send(message)

        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.span("request", {"request.id": request_id}, kind=SpanKind.SERVER, parent=place) as span,
        ):
            try:
                await self._app(scope, exchange.receive, send_with_id)
            finally:
                self._note(scope, exchange.outcome, time.perf_counter() - started, span)

    def _note(self, scope: Scope, status: int, seconds: float, span: OpenSpan) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"].isalpha() and len(scope["method"]) < 10 else "other"  # noqa: PLR2004
        metrics: Metrics = scope["app"].state.services.metrics
        metrics.requests.observe(method=method, route=route, status=status, seconds=seconds)
        about = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
        span.tell(about, name=f"{method} {route}", failed=status >= 500)  # noqa: PLR2004 - RFC 9110
        if scope["path"] not in _QUIET:
            # The query is left out: it may carry names that are nobody else's business, as what follows a link's id.
            path = _LINK.sub(r"\1.***", scope["path"])
            log.info("request.ended", method=method, path=path, status=status, seconds=round(seconds, 4))
