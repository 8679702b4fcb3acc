"""One of several processes of a `serve`: it answers HTTP at a socket of the first one, and ends when that says so."""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from media_analysis.cli.console import bounded, complain, follow, settle_memory
from media_analysis.errors import MediaAnalysisError

if TYPE_CHECKING:
    from media_analysis.settings import Settings

PROGRAM: Final = "import os; os.setpgrp(); from media_analysis.cli.serve_process import main; main()"
"""A group of its own, as ^C is for the first process, but no session: the kernel schedules these apart (autogroup)."""
READY: Final = b"ready"
DRAIN: Final = b"drain"


@dataclass(frozen=True)
class ServingOrder:
    """What the first process tells one that it starts."""

    settings: Settings
    """With its share of what they grant."""
    metrics: Path
    """Where each writes down what it counts."""
    processes: int
    """How many they are."""
    within_seconds: float
    """How long it may take to end."""


def main() -> None:
    """Serve as ordered on standard input, at the socket and with the link whose descriptors are the arguments."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Who ends all of a service's processes at once tells the first one, and that tells the others.
        signal.signal(number, signal.SIG_IGN)
    first = os.getppid()
    listening, link = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    order: ServingOrder = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    follow(order.settings.logging)
    with listening, link:
        try:
            settle_memory()
            uvloop.run(_serve(order, listening, link))
        except MediaAnalysisError as error:
            complain(str(error))
            sys.exit(1)
        except asyncio.CancelledError:
            sys.exit(1)
        finally:
            if os.getppid() != first:  # it was killed, and nobody else is left to do this
                shutil.rmtree(order.metrics, ignore_errors=True)


async def _serve(order: ServingOrder, listening: socket.socket, link: socket.socket) -> None:
    from media_analysis import app
    from media_analysis.api.connections import DEFAULT_LIMITS
    from media_analysis.runtime import open_runtime
    from media_analysis.settings.postgres import database_url
    from media_analysis.telemetry.shared import sharing
    from media_analysis.telemetry.traces import traces

    starting, loop = asyncio.current_task(), asyncio.get_running_loop()
    link.setblocking(False)
    if starting is not None:
        loop.add_reader(link, _at_the_end_of, link, starting.cancel)
    settings = order.settings
    async with (
        traces("media-analysis"),
        database_url(settings, report=_stay_silent) as url,
        open_runtime(settings, url, serves=False) as runtime,
        sharing(runtime.metrics, order.metrics),
    ):
        application = app.create_app(runtime)

        def announce() -> None:
            loop.add_reader(link, _at_the_end_of, link, application.state.drain)
            link.send(READY)

        await app.serve(
            application,
            listening,
            announce,
            bounded(_do_nothing, order.within_seconds),
            replace(
                DEFAULT_LIMITS,
                connections=settings.server.max_connections,
                open_heads_bytes=DEFAULT_LIMITS.open_heads_bytes // order.processes,
            ),
            signals=(),
        )
        loop.remove_reader(link)


def _at_the_end_of(link: socket.socket, act: Callable[[], object]) -> None:
    """Act as often as the first process says so, and once more when it is gone."""
    if not link.recv(len(DRAIN)):
        asyncio.get_running_loop().remove_reader(link)
    act()


def _do_nothing() -> None:
    pass


def _stay_silent(_sentence: str) -> None:
    pass
