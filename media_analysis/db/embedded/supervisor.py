"""Keeps one PostgreSQL running: starts it, starts it again when it dies, stops it at the end."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Final, NoReturn

import asyncpg

from media_analysis.db.embedded.cluster import (
    Cluster,
    ensure_access_rules,
    ensure_password,
    log_tail,
    publish_cluster,
    spawn_initdb,
    spawn_postgres,
    unlink_traces,
)
from media_analysis.db.embedded.connection import answers, ensure_database
from media_analysis.db.embedded.directory import FileLock
from media_analysis.db.embedded.process import POLL_SECONDS, Postmaster, find_postmaster
from media_analysis.db.embedded.progress import Reminder, Report, failures_in_words
from media_analysis.errors import EmbeddedServerFailed

REMNANT_SECONDS: Final = 60.0
WATCH_SECONDS: Final = 0.25
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A server that ran for this long did not die of how it was started, so it is started again at once."""


@asynccontextmanager
async def supervised(cluster: Cluster, report: Report) -> AsyncIterator[None]:
    """Have the cluster's server running while the block does, whatever becomes of its process meanwhile.

    Raises:
        EmbeddedServerFailed: It does not start; later deaths are reported and met with another start.
    """
    supervisor = _Supervisor(cluster, report)
    try:
        await supervisor.start()
        watching = asyncio.create_task(supervisor.watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
    finally:
        await supervisor.stop()


class _Supervisor:
    """The server there is at the moment, and how the next one comes to be."""

    def __init__(self, cluster: Cluster, report: Report) -> None:
        self._cluster = cluster
        self._report = report
        self._server: Postmaster | None = None

    async def start(self) -> None:
        while True:
            with failures_in_words(self._cluster.directory):
                self._server = await _adopt_or_start(self._cluster, self._report)
            if await _becomes_ready(self._server, self._report):
                with failures_in_words(self._cluster.directory):
                    await ensure_database(self._cluster)
                return
            await self._server.stop(self._report)
            # An adopted server may have been on its way out already: then the next round starts one.
            if self._server.child is not None:
                raise EmbeddedServerFailed(f"PostgreSQL ended while starting; its log says:\n{log_tail(self._cluster)}")

    async def watch(self) -> NoReturn:
        waits = pauses()
        while True:
            since = time.monotonic()
            await self._end()
            if time.monotonic() - since > STEADY_SECONDS:
                waits = pauses()
            self._report("PostgreSQL ended unexpectedly; starting it again")
            await asyncio.sleep(next(waits))
            await self._start_again()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(self._report)

    async def _end(self) -> None:
        while self._server is not None and self._server.is_alive():  # noqa: ASYNC110  # a process sets no Event
            await asyncio.sleep(WATCH_SECONDS)

    async def _start_again(self) -> None:
        try:
            _require_cluster(self._cluster)
            await self.start()
        except (EmbeddedServerFailed, asyncpg.PostgresError) as error:
            self._report(f"PostgreSQL did not start again: {error}")
            await self.stop()


def _require_cluster(cluster: Cluster) -> None:
    # An empty database in place of a lost one would look like a fresh service.
    if not cluster.exists():
        raise EmbeddedServerFailed(f"{cluster.data} has vanished")


def pauses() -> Iterator[float]:
    """Return how long to wait before each further start, in seconds."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def _adopt_or_start(cluster: Cluster, report: Report) -> Postmaster:
    ensure_password(cluster)
    deadline, reminder = time.monotonic() + REMNANT_SECONDS, Reminder(report)
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


async def _start(cluster: Cluster, lock: FileLock, report: Report) -> Postmaster:
    if not cluster.exists():
        report("creating the database cluster")
        await _create(cluster, lock)
    ensure_access_rules(cluster)
    unlink_traces(cluster)
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


async def _becomes_ready(server: Postmaster, report: Report) -> bool:
    reminder = Reminder(report)
    while server.is_alive():
        status = server.status()
        if status == "stopping":
            return False
        if status == "ready" and await answers(server.cluster, "postgres"):
            return True
        reminder.repeat("PostgreSQL is recovering…")
        await asyncio.sleep(POLL_SECONDS)
    return False
