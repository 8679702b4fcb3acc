"""PostgreSQL without an administrator: created, started, watched and stopped by the service itself."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from media_analysis.db.embedded.account import choose_account, find_binaries, require_reachable
from media_analysis.db.embedded.cluster import (
    NAME,
    PORT,
    Cluster,
    ensure_access_rules,
    ensure_password,
    forget_earlier_server,
    log_tail,
    prepare_directories,
    publish_cluster,
    read_password,
    require_short_path,
    spawn_initdb,
    spawn_postgres,
)
from media_analysis.db.embedded.directory import FileLock
from media_analysis.db.embedded.process import POLL_SECONDS, Postmaster, find_postmaster
from media_analysis.errors import EmbeddedServerFailed

NOTICE_SECONDS: Final = 3.0
REMNANT_SECONDS: Final = 60.0
CONNECT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server, where to reach it, and whether this process is the one that stops it."""

    url: str = field(repr=False)
    """With the password in it; names no driver."""

    owned: bool


def _stay_silent(_sentence: str) -> None:
    pass


@asynccontextmanager
async def embedded_server(
    directory: Path,
    *,
    report: Callable[[str], None] = _stay_silent,
    account: str | None = None,
    exclusive: bool = False,
) -> AsyncIterator[EmbeddedServer]:
    """Run the server of `directory`, creating it at the first start, or join the process that already runs it.

    A server left behind by a killed process is adopted. Only the process that runs the server stops it, at the end.

    Args:
        directory: Everything of the server lies below it; missing parents are created.
        report: Gets short sentences about the progress.
        account: The existing user PostgreSQL runs as when we are root; `postgres` or `nobody` by default.
        exclusive: Refuse to join.

    Raises:
        EmbeddedServerFailed: It cannot run here; the message says what to do.
    """
    with _spoken_failures(directory):
        cluster = await asyncio.to_thread(_prepare, directory, account)
        lock = FileLock(cluster.directory / "lock", cluster.account)
    with closing(lock):
        if await _leads(cluster, lock, exclusive=exclusive, report=report):
            async with _supervised(cluster, report):
                yield EmbeddedServer(_url(cluster), owned=True)
        else:
            yield EmbeddedServer(_url(cluster), owned=False)


class _Reminder:
    """Repeats a sentence every few seconds for as long as it stays true."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._due = time.monotonic() + NOTICE_SECONDS

    def repeat(self, sentence: str) -> None:
        if time.monotonic() >= self._due:
            self._report(sentence)
            self._due = time.monotonic() + NOTICE_SECONDS


@contextmanager
def _spoken_failures(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerFailed(
            f"PostgreSQL cannot use {directory}: {error}; choose another --data-dir, or set DATABASE_URL"
        ) from error


def _prepare(directory: Path, account_name: str | None) -> Cluster:
    account, binaries = choose_account(account_name), find_binaries()
    require_reachable(binaries / "postgres", account, remedy="install this service elsewhere")
    place = directory.parent.resolve() / directory.name
    require_short_path(place)
    require_reachable(place.parent, account, remedy="choose another --data-dir")
    cluster = Cluster(place, binaries, account)
    prepare_directories(cluster)
    return cluster


async def _leads(cluster: Cluster, lock: FileLock, *, exclusive: bool, report: Callable[[str], None]) -> bool:
    reminder = _Reminder(report)
    while not lock.acquire():
        if exclusive:
            raise EmbeddedServerFailed(
                f"{cluster.directory} is already served by process {lock.holder()}; stop it first"
            )
        if await _answers(cluster, NAME):
            return False
        reminder.repeat(f"waiting for process {lock.holder()} to start PostgreSQL…")
        await asyncio.sleep(POLL_SECONDS)
    lock.sign()
    return True


@asynccontextmanager
async def _supervised(cluster: Cluster, report: Callable[[str], None]) -> AsyncIterator[None]:
    while True:
        with _spoken_failures(cluster.directory):
            server = await _adopt_or_start(cluster, report)
        try:
            if await _becomes_ready(server, report):
                await _ensure_database(cluster)
                yield
                return
        finally:
            await server.stop(report)
        # An adopted server may have been on its way out already: then the next round starts one.
        if server.child is not None:
            raise EmbeddedServerFailed(f"PostgreSQL ended while starting; its log says:\n{log_tail(cluster)}")


async def _adopt_or_start(cluster: Cluster, report: Callable[[str], None]) -> Postmaster:
    ensure_password(cluster)
    deadline, reminder = time.monotonic() + REMNANT_SECONDS, _Reminder(report)
    with closing(FileLock(cluster.directory / "server.lock", cluster.account)) as lock:
        # After a kill -9 initdb, or processes of a dead server, may still write below `data`; all inherited this lock.
        while (server := find_postmaster(cluster)) is None and not lock.acquire():
            if time.monotonic() > deadline:
                raise EmbeddedServerFailed(
                    f"processes of an earlier PostgreSQL still use {cluster.data}: end them first"
                )
            reminder.repeat("waiting for processes of an earlier PostgreSQL to end…")
            await asyncio.sleep(POLL_SECONDS)
        if server is None:
            return await _start(cluster, lock, report)
    report("adopting the PostgreSQL that an earlier process left running")
    ensure_access_rules(cluster)
    server.reload()
    return server


async def _start(cluster: Cluster, lock: FileLock, report: Callable[[str], None]) -> Postmaster:
    if not cluster.exists():
        report("creating the database cluster")
        await _create(cluster, lock)
    ensure_access_rules(cluster)
    forget_earlier_server(cluster)
    report("starting PostgreSQL")
    child = spawn_postgres(cluster, lock)
    return Postmaster(cluster, child.pid, child)


async def _create(cluster: Cluster, lock: FileLock) -> None:
    child = spawn_initdb(cluster, lock)
    try:
        while child.poll() is None:  # noqa: ASYNC110  # a process sets no Event
            await asyncio.sleep(POLL_SECONDS)
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        raise EmbeddedServerFailed(f"the database cluster cannot be created; initdb says:\n{log_tail(cluster)}")
    publish_cluster(cluster)


async def _becomes_ready(server: Postmaster, report: Callable[[str], None]) -> bool:
    reminder = _Reminder(report)
    while server.is_alive():
        status = server.status()
        if status == "stopping":
            return False
        if status == "ready" and await _answers(server.cluster, "postgres"):
            return True
        reminder.repeat("PostgreSQL is recovering…")
        await asyncio.sleep(POLL_SECONDS)
    return False


async def _answers(cluster: Cluster, database: str) -> bool:
    try:
        connection = await _connect(cluster, database)
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise EmbeddedServerFailed(f"PostgreSQL does not accept the password in {cluster.password_file}") from error
    except (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.InvalidCatalogNameError,
    ):
        return False
    await connection.close()
    return True


async def _ensure_database(cluster: Cluster) -> None:
    connection = await _connect(cluster, "postgres")
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", NAME):
            await connection.execute(f"CREATE DATABASE {NAME}")
    finally:
        await connection.close()


async def _connect(cluster: Cluster, database: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=str(cluster.run),
        port=PORT,
        user=NAME,
        password=read_password(cluster),
        database=database,
        ssl=False,
        timeout=CONNECT_SECONDS,
    )


def _url(cluster: Cluster) -> str:
    password = quote(read_password(cluster), safe="")
    return f"postgresql://{NAME}:{password}@/{NAME}?host={quote(str(cluster.run))}"
