"""The client for programs on an event loop."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, closing, suppress
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from media_analysis.client import events as event_stream
from media_analysis.client import job_operations, operations, wire
from media_analysis.client.requests import Api
from media_analysis.client.steps import (
    Answer,
    Body,
    Do,
    Emit,
    Emitting,
    Open,
    Read,
    Request,
    Running,
    Send,
    Step,
    Steps,
    Wait,
)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Item = TypeVar("Item")


def _ending(
    operation: Callable[Concatenate[Api, Parameters], Steps[Result]],
) -> Callable[Concatenate["AsyncClient", Parameters], Coroutine[Any, Any, Result]]:
    """Return a method that does an operation and returns its result."""

    @wraps(operation)
    async def call(self: "AsyncClient", /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        running = Running(operation(self.api, *args, **kwargs))
        async with aclosing(self.run(running)) as steps:
            async for _ in steps:
                pass
        return running.results[0]

    return call


def _iterating(
    operation: Callable[Concatenate[Api, Parameters], Emitting[Item]],
) -> Callable[Concatenate["AsyncClient", Parameters], AsyncIterator[Item]]:
    """Return a method that does an operation as far as its items are wanted."""

    @wraps(operation)
    def call(self: "AsyncClient", /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> AsyncIterator[Item]:
        return self.run(Running(operation(self.api, *args, **kwargs)))

    return call


class AsyncClient:
    """A server and a token; the tasks of one event loop may share one.

    `patience_seconds` is how long an operation goes on trying once it fails and nothing goes through, and
    `timeout_seconds` how long the server may take to take or to send anything at all.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience_seconds: float = wire.PATIENCE_SECONDS,
        timeout_seconds: float = wire.TIMEOUT_SECONDS,
        verify: Any = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.api = Api(patience_seconds)
        about = wire.options(url, token, timeout_seconds, verify=verify, transport=transport)
        self._http = httpx.AsyncClient(**about)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    session = _ending(operations.session)
    upload = _ending(operations.upload)
    check = _ending(operations.check)
    file = _ending(operations.file)
    files = _iterating(operations.files)
    update_file = _ending(operations.update_file)
    download = _ending(operations.download)
    delete_file = _ending(operations.delete_file)
    delete_files = _ending(operations.delete_files)
    restore_file = _ending(operations.restore_file)
    hold_file = _ending(operations.hold_file)
    release_file = _ending(operations.release_file)
    request = _ending(operations.request)
    events = _iterating(event_stream.events)
    create_job = _ending(job_operations.create_job)
    job = _ending(job_operations.job)
    jobs = _iterating(job_operations.jobs)
    job_files = _iterating(job_operations.job_files)
    job_results = _iterating(job_operations.job_results)
    job_events = _iterating(job_operations.job_events)
    wait_for_job = _ending(job_operations.wait_for_job)
    cancel_job = _ending(job_operations.cancel_job)
    cancel_jobs = _ending(job_operations.cancel_jobs)
    retry_job = _ending(job_operations.retry_job)
    delete_job = _ending(job_operations.delete_job)

    async def run(self, running: Running[Any]) -> AsyncGenerator[Any, None]:
        """Do an operation step by step, and yield what it emits."""
        async with _Exchange(self._http) as exchange:
            with closing(running):
                while (step := running.step) is not None:
                    if isinstance(step, Emit):
                        yield step.item
                        running.succeed(None)
                        continue
                    try:
                        came = await exchange.perform(step)
                    except Exception as error:  # noqa: BLE001 - the operation knows what it means, or raises it
                        running.fail(error)
                    else:
                        running.succeed(came)


class _Exchange:
    """Does the steps of one operation; at most one answer is open."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._opened = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] = _nothing()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def perform(self, step: Step) -> Any:
        match step:
            case Send(request):
                return await self._send(request, reads=True)
            case Open(request):
                return await self._send(request, reads=False)
            case Read():
                with wire.translated():
                    return await anext(self._chunks, b"")
            case Wait(seconds):
                return await asyncio.sleep(seconds)
            case Do(act):
                return await _in_thread(act)

    async def _send(self, request: Request, *, reads: bool) -> Answer:
        await self._opened.aclose()
        body = request.body
        asked = wire.made(self._http, request, body if isinstance(body, bytes) else _threaded(body))
        with wire.translated():
            response = await self._http.send(asked, stream=True)
            self._opened.push_async_callback(response.aclose)
            self._chunks = response.aiter_bytes()
            if not reads and response.status_code < wire.REFUSED:
                return wire.answer_of(response)
            content = bytearray()
            async for chunk in self._chunks:
                content = wire.grown(content, chunk)
            return wire.answer_of(response, bytes(content))


async def _threaded(body: Body) -> AsyncIterator[bytes]:
    """Yield the bytes of a body, which are read from a disk."""
    chunks = body.chunks()
    while chunk := await _in_thread(lambda: next(chunks, b"")):
        yield chunk


async def _in_thread(act: Callable[[], Result]) -> Result:
    """Call a function in a thread; whoever is cancelled waits for it: it may use what is closed next."""
    calling = asyncio.ensure_future(asyncio.to_thread(act))
    try:
        return await asyncio.shield(calling)
    except asyncio.CancelledError:
        while not calling.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([calling])
        raise


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
