"""The archivist: works through archive tasks while it runs, and hands back what it is at when it stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

import structlog

from media_analysis.archive.execution import ArchiveExecution
from media_analysis.errors import MediaAnalysisError

LOOK_SECONDS: Final = 1.0
"""How long a task waits at most before somebody idle begins it; one that a client asked of this process, not at all."""
log = structlog.get_logger()


@asynccontextmanager
async def running_archivist(execution: ArchiveExecution, *, look_seconds: float = LOOK_SECONDS) -> AsyncIterator[None]:
    """Work through archive tasks, those of dead processes too, while the block runs."""
    # Each on its own: who is idle looks on while another is long at work, and what one meets stops no other.
    alone = replace(execution, concurrency=1)
    working = [asyncio.create_task(_work(alone, look_seconds)) for _ in range(execution.concurrency)]
    try:
        yield
    finally:
        for worker in working:
            worker.cancel()
        await asyncio.wait(working)


async def _work(execution: ArchiveExecution, look_seconds: float) -> None:
    while True:
        execution.bell.clear()
        try:
            await execution.run_waiting()
        except MediaAnalysisError as error:
            log.warning("archivist.interrupted", reason=str(error))
        except Exception:
            log.exception("archivist.crashed")
        with suppress(TimeoutError):
            async with asyncio.timeout(look_seconds):
                await execution.bell.wait()
