"""The HTTP process: the application, and a server that drains before it stops."""

import asyncio
import resource
import signal
import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any, Final, cast

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from media_analysis.api.checks import RequestChecks
from media_analysis.api.connections import DEFAULT_LIMITS, Connection, ConnectionLimits, OpenHeads
from media_analysis.api.dependencies import ACCESS
from media_analysis.api.document import install_document, operation_id
from media_analysis.api.errors import install_problem_handlers
from media_analysis.api.middleware import RequestContext
from media_analysis.api.origins import allowing
from media_analysis.api.place import RequestPlace
from media_analysis.api.resources import Resources
from media_analysis.api.routes import (
    archives,
    audit,
    events,
    external,
    files,
    health,
    job_events,
    jobs,
    links,
    matches,
    pauses,
    pictures,
    plans,
    policies,
    pressure,
    records,
    reference,
    results,
    sessions,
    storage,
    uploads,
    webhooks,
)
from media_analysis.api.shortcuts import SHORTCUTS
from media_analysis.api.tus import TusHeaders
from media_analysis.errors import Misconfigured
from media_analysis.runtime import Runtime
from media_analysis.settings.model import ServerSettings
from media_analysis.web import screens
from media_analysis.web.problems import ProblemPages

GRACE_SECONDS: Final = 30
CLEANUP_SECONDS: Final = 10
ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
OWN_DESCRIPTORS: Final = 256
"""Open files for all that are no connections of clients."""
DESCRIPTION: Final = (
    "Owns media files from upload to deletion: every byte has a row with a category and an expiry, "
    "so cleanup asks the database what is due and never scans the disk."
)


def create_app(services: Runtime) -> FastAPI:
    """Return the application over services somebody else opens and closes."""
    app = FastAPIOffline(
        title="media-analysis",
        version=version("media-analysis"),
        description=DESCRIPTION,
        redirect_slashes=False,
        docs_url=None,  # ours has a policy for its scripts
        redoc_url=None,
        generate_unique_id_function=operation_id,
    )
    app.state.services, app.state.draining = services, False
    install_problem_handlers(app)
    install_document(app, root_path=services.settings.server.root_path)
    for router in _routers(services):
        app.include_router(router)
    app.add_middleware(RequestChecks, resources=Resources.of_routes(app.routes, ACCESS, SHORTCUTS))
    app.add_middleware(TusHeaders)
    _surround(app, services.settings.server)
    return app


def _surround(app: FastAPI, server: ServerSettings) -> None:
    """Put around all of the application what every answer passes, those to bugs included."""
    build = app.build_middleware_stack

    def build_surrounded() -> ASGIApp:
        return RequestPlace(RequestContext(allowing(ProblemPages(build()), server.allowed_origins)), server)

    app.build_middleware_stack = build_surrounded  # type: ignore[method-assign]


def _routers(services: Runtime) -> Sequence[APIRouter]:
    return (
        files.router,
        pictures.router,
        matches.router,
        links.router,
        uploads.router,
        sessions.router,
        storage.router,
        plans.router,
        pauses.router,
        policies.router,
        pressure.router,
        external.router,
        archives.router,  # before `/jobs/{job_id}`, which would take `/jobs/archived` for an id
        jobs.creation_router(services.jobs.kinds),
        jobs.router,
        results.router,
        job_events.router,
        events.router,
        webhooks.router,
        audit.router,
        records.router,
        health.router,
        reference.router,
        *screens.routers(),
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: it would kill the process before its neighbours are closed."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    def capture_signals(self) -> Any:
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()


def bind(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host:port`; port 0 takes a free one.

    Raises:
        Misconfigured: the address cannot be had.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Misconfigured(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    return listening


def bind_beside(first: socket.socket, sockets: int) -> list[socket.socket]:
    """Return so many more sockets bound where `first` is, which nobody else is; the kernel divides clients among all.

    Source: socket(7), SO_REUSEPORT.
    """
    # Only now, so that `first` had its address for itself: whoever binds exclusively is still refused.
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    beside = [socket.socket(first.family, socket.SOCK_STREAM) for _ in range(sockets)]
    for one in beside:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(first.getsockname())
    return beside


def within_open_files(limits: ConnectionLimits) -> ConnectionLimits:
    """Raise this process's limit of open files as far as it goes, and return `limits` that fit into it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = hard - OWN_DESCRIPTORS if hard > 2 * OWN_DESCRIPTORS else hard // 2
    return limits if hard == resource.RLIM_INFINITY else replace(limits, connections=min(limits.connections, most))


async def serve(
    app: FastAPI,
    listening: socket.socket,
    announce: Callable[[], None],
    interrupted: Callable[[], None] = lambda: None,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    signals: Collection[signal.Signals] = ENDING_SIGNALS,
) -> None:
    """Serve until one of `signals`, then let requests in flight end; `interrupted` is called at every signal."""

    def note_refusal(status: int) -> None:
        app.state.services.metrics.requests.observe(method="other", route="unread", status=status, seconds=0)

    connection = partial(
        Connection, limits=within_open_files(limits), open_heads=OpenHeads(), note_refusal=note_refusal
    )
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", connection),
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,  # `RequestPlace` knows whom to believe
        server_header=False,
        date_header=False,  # its clock is looked at once a second: a file may be younger
        timeout_graceful_shutdown=GRACE_SECONDS,
        ws="none",
    )
    server = _Server(config, announce)

    def drain() -> None:
        server.force_exit = server.should_exit  # a second signal does not wait
        app.state.draining = True
        app.state.services.jobs.watches.end()  # they would last as long as their jobs
        app.state.services.feed.end()
        server.should_exit = True
        interrupted()

    app.state.drain = drain  # for whoever serves from a program of their own
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, drain)
    try:
        await server.serve(sockets=[listening])
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        await _cut_off(server.server_state.tasks)


async def _cut_off(requests: set[asyncio.Task[None]]) -> None:
    """Cancel the requests that did not end in time, and let them clean up while the services are still there."""
    for request in requests:
        request.cancel()
    if requests:
        await asyncio.wait(requests, timeout=CLEANUP_SECONDS)
