"""The loop that runs kinds by themselves, in each process that keeps the schedule; they share the work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from media_analysis.errors import MediaAnalysisError
from media_analysis.jobs.automatic.starting import MOST
from media_analysis.jobs.automatic.suite import AutomaticServices

LOOK_SECONDS: Final = 1.0
"""How long a file may wait until its jobs are made."""
FAILED_SECONDS: Final = 5.0
log = structlog.get_logger()


@asynccontextmanager
async def running_automatic(services: AutomaticServices, *, look_seconds: float = LOOK_SECONDS) -> AsyncIterator[None]:
    """Make jobs of what is stored from now on, while the block runs; where the settings say of none, do nothing."""
    if not services.on_upload:
        yield
        return
    await services.noting.begin()
    stopping = asyncio.Event()
    working = asyncio.create_task(_run(services, look_seconds, stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait({working})


async def _run(services: AutomaticServices, look_seconds: float, stopping: asyncio.Event) -> None:
    """Work until stopped, however often the database fails."""
    while not stopping.is_set():
        seconds = await _look(services, look_seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stopping.wait()


async def _look(services: AutomaticServices, look_seconds: float) -> float:
    """Look once; return how many seconds nobody has to look."""
    try:
        await services.noting.run()
        while await services.starting.run() == MOST:
            pass
    except MediaAnalysisError as error:
        log.warning("analyses.unlooked", code=error.code, reason=str(error))
    except Exception:
        log.exception("analyses.crashed")
    else:
        return look_seconds
    return FAILED_SECONDS
