"""`media-analysis serve`: database, migrations, API and scheduler in one process."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from media_analysis.cli.address import announced, url_of
from media_analysis.cli.console import ConfigFile, DataDir, at_interruption, bounded, err, load, report, run
from media_analysis.errors import Misconfigured, StoreUnavailable

if TYPE_CHECKING:
    from media_analysis.db.embedded.progress import Report
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

ADMIN_TTL: Final = timedelta(days=3650)
TOKEN_FILE_MODE: Final = 0o600
CLEANUP_SECONDS: Final = 30
"""How long everything may take to let go after the time of grace."""
BUCKET_PAUSE_SECONDS: Final = 0.5
"""Between two looks for a bucket that is not there yet."""


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [default: 8000]", show_default=False)] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="How many processes answer; 0 is as many as cores [default: 1]", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Serve the API and run the scheduler until ^C.

    Without DATABASE_URL it starts an embedded PostgreSQL in the data directory and migrates it. It makes a data
    directory where there is none; every other command but `demo` refuses then.
    """
    server = {"host": host, "port": port, "processes": processes}
    settings = load(config, data_dir, narrate=True, server=server).settings
    from media_analysis import app  # noqa: F401 - it is there before memory is settled

    run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from media_analysis import app

    within_seconds = max(app.GRACE_SECONDS, settings.worker.grace_seconds) + CLEANUP_SECONDS
    listening = app.bind(settings.server.host, settings.server.port)
    with listening:
        async with running_service(settings) as service:
            port = listening.getsockname()[1]

            def announce() -> None:
                _announce(url_of(settings.server.host, port), service.token_file)

            with announced(settings, port):
                await _answer(settings, listening, service, announce, within_seconds)
            # Jobs may still have their time of grace.
            at_interruption(service.interrupt, within_seconds=within_seconds)


async def _answer(
    settings: Settings,
    listening: socket.socket,
    service: ServedProcess,
    announce: Callable[[], None],
    within_seconds: float,
) -> None:
    from media_analysis import app
    from media_analysis.api.connections import ConnectionLimits
    from media_analysis.cli.serve_processes import processes_of, serve_by_processes

    if processes_of(settings) > 1:
        await serve_by_processes(
            settings, service.runtime.metrics, listening, announce, service.interrupt, within_seconds
        )
    else:
        await app.serve(
            app.create_app(service.runtime),
            listening,
            announce,
            bounded(service.interrupt, within_seconds),
            ConnectionLimits(connections=settings.server.max_connections),
        )


@dataclass(frozen=True, slots=True)
class ServedProcess:
    """All of a service but its API."""

    runtime: Runtime
    token_file: Path
    interrupt: Callable[[], None]
    """To be called at every interruption."""


@asynccontextmanager
async def running_service(settings: Settings, tell: Report = report) -> AsyncIterator[ServedProcess]:
    """Run database, scheduler and worker while the block does; what an embedded database lacks is migrated first."""
    from media_analysis.db.migrations import migrate
    from media_analysis.jobs.automatic.loop import running_automatic
    from media_analysis.replication.loop import running_replication
    from media_analysis.scheduler.timetable import running_scheduler
    from media_analysis.settings.postgres import database_url
    from media_analysis.telemetry.traces import traces
    from media_analysis.webhooks.loop import running_deliveries
    from media_analysis.worker.archivist import running_archivist

    tell(f"data directory {settings.data_dir.resolve()}")
    async with traces("media-analysis"), database_url(settings, report=tell, serves=True) as url:
        if settings.database.url is None:
            tell("migrating the database")
            await migrate(url)
        async with _runtime(settings, url, tell) as runtime:
            token_file = await ensure_admin_token(runtime)
            async with (
                running_scheduler(runtime),
                running_archivist(runtime.archives.execution),
                running_deliveries(runtime.webhooks),
                running_automatic(runtime.automatic),
                running_replication(runtime.replication),
                _working(runtime) as interrupt,
            ):
                yield ServedProcess(runtime, token_file, interrupt)
            tell("stopping")


@asynccontextmanager
async def _runtime(settings: Settings, url: str, tell: Report) -> AsyncIterator[Runtime]:
    """Open the services; a bucket whose gateway is just being started is waited for."""
    from media_analysis.runtime import open_runtime

    give_up_at, said = time.monotonic() + settings.storage.remote.retry_seconds, ""
    async with AsyncExitStack() as opened:
        while True:
            try:
                runtime = await opened.enter_async_context(open_runtime(settings, url))
                break
            except StoreUnavailable as error:
                if not settings.sites.has_bucket or time.monotonic() > give_up_at:
                    raise
                if error.reason != said:
                    said = error.reason
                    tell(f"waiting for the bucket: {said}")
            await asyncio.sleep(BUCKET_PAUSE_SECONDS)
        yield runtime


@asynccontextmanager
async def _working(runtime: Runtime) -> AsyncIterator[Callable[[], None]]:
    """Run jobs here unless the settings say otherwise; yield what is to be called at every interruption."""
    if not runtime.settings.worker.enabled:
        yield lambda: None
        return
    from media_analysis.worker.service import WorkerOptions, running_worker

    async with running_worker(runtime, WorkerOptions.of(runtime.settings)) as worker:
        yield worker.interrupt


def _announce(address: str, token_file: Path) -> None:
    err.print(
        Text.assemble(("ready", "bold green"), f" at {address} (open it in a browser; the API: {address}/docs)"),
        soft_wrap=True,
    )
    err.print(Text(f"admin token in {token_file}"), soft_wrap=True)


async def ensure_admin_token(runtime: Runtime) -> Path:
    """Make sure `DATA_DIR/admin-token` holds a token whose session exists, and return the file's path.

    The file comes first: a crash between the two leaves a token that the next start registers.
    """
    from media_analysis.sessions.models import Role

    path = runtime.settings.data_dir.resolve() / "admin-token"
    token = _read_token(path) or _write_token(path)
    await runtime.sessions.ensure(token, owner="admin", role=Role.ADMIN, ttl=ADMIN_TTL)
    return path


def _read_token(path: Path) -> str | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise Misconfigured(f"{path} can be read by others; set its mode to 0600 or remove it")
    return path.read_text().strip() or None


def _write_token(path: Path) -> str:
    from media_analysis.sessions.service import new_token

    token = new_token()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, TOKEN_FILE_MODE)
    try:
        os.write(descriptor, f"{token}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return token
