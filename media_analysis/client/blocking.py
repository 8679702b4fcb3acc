"""The client for programs that wait."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from media_analysis.client import events as event_stream
from media_analysis.client import job_operations, operations, wire
from media_analysis.client.requests import Api
from media_analysis.client.steps import (
    Answer,
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
) -> Callable[Concatenate["Client", Parameters], Result]:
    """Return a method that does an operation and returns its result."""

    @wraps(operation)
    def call(self: "Client", /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        running = Running(operation(self.api, *args, **kwargs))
        for _ in self.run(running):
            pass
        return running.results[0]

    return call


def _iterating(
    operation: Callable[Concatenate[Api, Parameters], Emitting[Item]],
) -> Callable[Concatenate["Client", Parameters], Iterator[Item]]:
    """Return a method that does an operation as far as its items are wanted."""

    @wraps(operation)
    def call(self: "Client", /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Iterator[Item]:
        return self.run(Running(operation(self.api, *args, **kwargs)))

    return call


class Client:
    """A server and a token; threads may share one.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.api = Api(patience_seconds)
        about = wire.options(url, token, timeout_seconds, verify=verify, transport=transport)
        self._http = httpx.Client(**about)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

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

    def run(self, running: Running[Any]) -> Generator[Any, None, None]:
        """Do an operation step by step, and yield what it emits."""
        with closing(running), _Exchange(self._http) as exchange:
            while (step := running.step) is not None:
                if isinstance(step, Emit):
                    yield step.item
                    running.succeed(None)
                    continue
                try:
                    came = exchange.perform(step)
                except Exception as error:  # noqa: BLE001 - the operation knows what it means, or raises it
                    running.fail(error)
                else:
                    running.succeed(came)


class _Exchange:
    """Does the steps of one operation; at most one answer is open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._opened = ExitStack()
        self._chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._opened.close()

    def perform(self, step: Step) -> Any:
        match step:
            case Send(request):
                return self._send(request, reads=True)
            case Open(request):
                return self._send(request, reads=False)
            case Read():
                with wire.translated():
                    return next(self._chunks, b"")
            case Wait(seconds):
                return time.sleep(seconds)
            case Do(act):
                return act()

    def _send(self, request: Request, *, reads: bool) -> Answer:
        self._opened.close()
        body = request.body
        asked = wire.made(self._http, request, body if isinstance(body, bytes) else body.chunks())
        with wire.translated():
            response = self._http.send(asked, stream=True)
            self._opened.callback(response.close)
            self._chunks = response.iter_bytes()
            if not reads and response.status_code < wire.REFUSED:
                return wire.answer_of(response)
            content = bytearray()
            for chunk in self._chunks:
                content = wire.grown(content, chunk)
            return wire.answer_of(response, bytes(content))
