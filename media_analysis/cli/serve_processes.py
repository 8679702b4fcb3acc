"""Several processes that answer HTTP at one socket: started, watched, told to end, and waited for."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from media_analysis.cli.console import at_interruption, report
from media_analysis.cli.serve_process import DRAIN, PROGRAM, READY, ServingOrder
from media_analysis.errors import Misconfigured

if TYPE_CHECKING:
    from media_analysis.settings import Settings
    from media_analysis.telemetry.metrics import Metrics
    from media_analysis.telemetry.shared import SharedMetrics

RESTARTS: Final = 5
"""How often one is started again that does not last."""
GRANTED: Final = ("max_connections", "max_uploads_per_owner", "max_downloads_per_owner", "max_streams_per_owner")


def processes_of(settings: Settings) -> int:
    """Return how many processes the settings ask for."""
    return settings.server.processes or len(os.sched_getaffinity(0))


def share_of(settings: Settings, processes: int) -> Settings:
    """Return what each of so many processes may have of what `settings` grant, rounded up."""

    def divided(section: object, *names: str) -> dict[str, int]:
        return {name: ceil(getattr(section, name) / processes) for name in names}

    server, database = settings.server, settings.database
    return settings.model_copy(
        update={
            "server": server.model_copy(update=divided(server, *GRANTED)),
            "database": database.model_copy(update=divided(database, "pool_min", "pool_max")),
        }
    )


async def serve_by_processes(
    settings: Settings,
    metrics: Metrics,
    listening: socket.socket,
    announce: Callable[[], None],
    interrupted: Callable[[], None],
    within_seconds: float,
) -> None:
    """Have `processes_of` the settings answer until SIGINT or SIGTERM, and wait until what they had begun has ended.

    Raises:
        Misconfigured: one of them does not start, or dies again and again; one that dies is followed by another.

    """
    from media_analysis.app import bind_beside
    from media_analysis.telemetry.shared import sharing

    processes = processes_of(settings)
    with TemporaryDirectory(prefix="media-analysis-") as folder:
        async with sharing(metrics, Path(folder)) as shared:
            order = ServingOrder(share_of(settings, processes), Path(folder), processes, within_seconds)
            serving = ServingProcesses(order, [listening, *bind_beside(listening, processes - 1)], shared)

            def interrupt() -> None:
                serving.drain()
                interrupted()

            at_interruption(interrupt, within_seconds=within_seconds)
            await serving.run(announce)


@dataclass
class ServingProcesses:
    """Processes that serve, and others in place of those that died."""

    order: ServingOrder
    listening: Sequence[socket.socket]
    """One for each; a client that comes while its process is started again waits there."""
    metrics: SharedMetrics
    _draining: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _links: list[socket.socket] = field(default_factory=list, init=False)

    def drain(self) -> None:
        """Let them end what they have begun; at the second call, at once."""
        self._draining.set()
        self._close()  # whoever comes now is not to wait for nobody
        for link in self._links:
            with suppress(OSError):
                link.send(DRAIN)

    async def run(self, announce: Callable[[], None]) -> None:
        """Keep them running until they are drained; `announce` is called when all of them answer."""
        ready = [asyncio.Event() for _ in self.listening]

        async def announce_all() -> None:
            for one in ready:
                await one.wait()
            announce()

        keeping = [asyncio.create_task(self._keep(*one)) for one in zip(self.listening, ready, strict=True)]
        announcing = asyncio.create_task(announce_all())
        try:
            await asyncio.gather(*keeping)
        finally:
            self._close()
            for task in (announcing, *keeping):
                task.cancel()
            await asyncio.wait([announcing, *keeping])

    def _close(self) -> None:
        for one in self.listening:
            one.close()

    async def _keep(self, listening: socket.socket, ready: asyncio.Event) -> None:
        from media_analysis.db.embedded.supervisor import STEADY_SECONDS, pauses

        waits = islice(pauses(), RESTARTS)
        while not self._draining.is_set():
            since = time.monotonic()
            code = await self._serve(listening, ready)
            if self._draining.is_set():
                return
            if time.monotonic() - since > STEADY_SECONDS:
                waits = islice(pauses(), RESTARTS)
            pause = next(waits, None) if ready.is_set() else None
            if pause is None:
                raise Misconfigured(f"a process that answers requests ended with {code}, and so would the next")
            report(f"a process that answers requests ended unexpectedly, with {code}; starting another")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._draining.wait()
                    return

    async def _serve(self, listening: socket.socket, ready: asyncio.Event) -> int:
        """Start a process, and return how it ended."""
        ready.clear()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            descriptors = (listening.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, *map(str, descriptors)),
                stdin=subprocess.PIPE,
                pass_fds=descriptors,
            )
        if process.stdin is not None:
            process.stdin.write(pickle.dumps(self.order))
            process.stdin.close()
        loop = asyncio.get_running_loop()
        ours.setblocking(False)
        loop.add_reader(ours, _hear, ours, ready)
        self._links.append(ours)
        if self._draining.is_set():  # since it was asked for
            ours.send(DRAIN)
        try:
            return await process.wait()
        finally:
            self._links.remove(ours)
            loop.remove_reader(ours)
            ours.close()
            await process.wait()
            self.metrics.mark_ended(process.pid)


def _hear(link: socket.socket, ready: asyncio.Event) -> None:
    if link.recv(len(READY)):
        ready.set()
    else:
        asyncio.get_running_loop().remove_reader(link)
