"""Refusals as pages: what programs are told as a problem document, a person in a browser reads."""

from typing import Any, Final

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from media_analysis.api import API_PATH
from media_analysis.web.entry.signing_in import show_sign_in
from media_analysis.web.pages import PageRoute, show

_UNAUTHENTICATED: Final = 401
_OWN: Final = frozenset({"WWW-Authenticate", "Retry-After", "Allow"})


class ProblemPages:
    """Shows problems as pages, unless they are of the API, or whoever asks wants no page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(f"{API_PATH}/"):
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        await self._app(scope, receive, answer.send)


class _Answer:
    """Holds a problem back until all of it is known, and lets anything else pass."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._started: Message | None = None
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._is_problem(message):
            self._started = message
        elif self._started is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._show(self._started)

    def _is_problem(self, started: Message) -> bool:
        if Headers(raw=started["headers"]).get("content-type") != "application/problem+json":
            return False
        is_page = isinstance(self._scope.get("route"), PageRoute)
        return is_page or "text/html" in Headers(scope=self._scope).get("accept", "")

    async def _show(self, started: Message) -> None:
        problem: dict[str, Any] = orjson.loads(self._body)
        told = Headers(raw=started["headers"])
        headers = {name: told[name] for name in _OWN if name in told}
        request, status = Request(self._scope), started["status"]
        if status == _UNAUTHENTICATED:
            page = show_sign_in(request, status=status, headers=headers)
        else:
            page = show(request, "layout/problem.html", status=status, headers=headers, problem=problem)
        await page(self._scope, self._receive, self._send)
