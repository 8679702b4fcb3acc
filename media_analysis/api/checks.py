"""What is decided by the head of a request alone, for all resources alike, before anything is read or done."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from fastapi_problem.error import Problem
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from media_analysis.api.conditions import require_unconditional
from media_analysis.api.dependencies import authenticate
from media_analysis.api.digests import DIGESTS, Digest, read_digests, require_digests
from media_analysis.api.errors import problem_for, problem_of_status
from media_analysis.api.requests import (
    Fields,
    accepting,
    has_body,
    read_fields,
    require_document,
    require_known_expectation,
    require_length,
    require_no_key,
    require_parameters_once,
    require_plain,
    require_whole,
)
from media_analysis.api.resources import Access, Operation, Resource, Resources
from media_analysis.errors import BodyTooLarge, DocumentTypeNotAccepted, MediaAnalysisError, UploadStalled

DOCUMENT_SECONDS: Final = 30
_READS: Final = frozenset({"GET", "HEAD"})
_CONDITIONS: Final = (b"if-match", b"if-none-match", b"if-unmodified-since")
_DIGESTS: Final = tuple(name.encode() for name in (*DIGESTS, "trailer"))


class RequestChecks:
    """Lets a request through to its route once its head holds; what is no upload is read whole, within bounds."""

    def __init__(self, app: ASGIApp, resources: Resources, seconds: float = DOCUMENT_SECONDS) -> None:
        self._app = app
        self._resources = resources
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        resource = self._resources.find(scope["path"])
        if scope["method"] == "OPTIONS" and (resource is not None or scope["path"] == "*"):
            await _tell_methods(resource)(scope, receive, send)
            return
        try:
            operation = _operation(resource, scope["method"])
            scope["route"], scope["operation"] = operation.route, operation
            fields, digests = await _checked(operation, scope)
            passed = receive if digests else await operation.shortcut(scope, fields, receive, send)
            body = None if passed is None else await self._received(operation, fields, digests, scope, passed)
        except DocumentTypeNotAccepted as error:
            await _answer(problem_for(scope, error), scope, receive, send, accepting(scope["method"], error.accepted))
        except MediaAnalysisError as error:
            await _answer(problem_for(scope, error), scope, receive, send)
        except Problem as problem:
            await _answer(problem, scope, receive, send)
        else:
            if body is not None:
                await self._pass_on(operation, scope, body, send)

    async def _received(
        self, operation: Operation, fields: Fields, digests: Sequence[Digest], scope: Scope, receive: Receive
    ) -> Receive | None:
        """Return where the body is to be had from, None if its sender has left."""
        if operation.limit_bytes is None:
            return receive
        if not has_body(fields):
            require_digests(b"", digests)
            return receive
        await _require_access(operation, scope)
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(receive, operation.limit_bytes)
        except TimeoutError as error:
            raise UploadStalled(idle_seconds=self._seconds) from error
        if body is None:
            return None
        require_digests(body, digests)
        return _replay(body, receive)

    async def _pass_on(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        if operation.is_head:
            await self._app({**scope, "method": "GET"}, receive, _without_content(send))
        else:
            await self._app(scope, receive, send)


def _operation(resource: Resource | None, method: str) -> Operation:
    if resource is None:
        raise problem_of_status(404)
    operation = resource.operations.get(method)
    if operation is None:
        raise problem_of_status(405, headers={"Allow": resource.allow})
    return operation


async def _checked(operation: Operation, scope: Scope) -> tuple[Fields, Sequence[Digest]]:
    """Return the header fields, and the digests of the body among them, once all of the head holds."""
    try:
        fields = _required(operation, scope)
        is_announced = operation.limit_bytes is not None and any(name in fields for name in _DIGESTS)
        return fields, read_digests(Headers(scope=scope)) if is_announced else ()
    except (MediaAnalysisError, Problem):
        # Nobody learns more of a resource than that it is not theirs to use.
        await _require_access(operation, scope)
        raise


def _required(operation: Operation, scope: Scope) -> Fields:
    """Return the header fields once all of the head holds."""
    method = scope["method"]
    fields = read_fields(scope["headers"])
    require_known_expectation(fields)
    require_parameters_once(scope["query_string"], operation.lists)
    if method == "POST" and not operation.remembers_keys:
        require_no_key(fields)
    if has_body(fields) or operation.takes_content:
        require_plain(fields)
        if not operation.takes_pieces:
            require_whole(fields)
        if operation.accepted and has_body(fields):
            require_document(fields, operation.accepted)
        if operation.limit_bytes is not None:
            require_length(fields, operation.limit_bytes)
    if not operation.judges_conditions and any(name in fields for name in _CONDITIONS):
        require_unconditional(Headers(scope=scope), changes=method not in _READS)
    return fields


async def _require_access(operation: Operation, scope: Scope) -> None:
    if operation.access is not Access.ANYBODY:
        await authenticate(scope)


async def _read(receive: Receive, limit_bytes: int) -> bytes | None:
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


def _without_content(send: Send) -> Send:
    """Return what ends an answer with its head; whoever goes on is told that the client has left."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b""})

    return send_head


def _tell_methods(resource: Resource | None) -> Response:
    if resource is None:  # of the server (RFC 9110 section 9.3.7)
        return Response(status_code=204)
    headers = {"Allow": resource.allow}
    for method, operation in resource.operations.items():
        if operation.accepted:
            headers |= accepting(method, operation.accepted)
    return Response(status_code=204, headers=headers)


async def _answer(
    problem: Problem, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str] | None = None
) -> None:
    told = {**(problem.headers or {}), **(headers or {})}
    answer = JSONResponse(problem.marshal(), problem.status, headers=told, media_type="application/problem+json")
    await answer(scope, receive, send)
