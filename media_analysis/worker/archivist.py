"""The archivist: works through archive tasks while it runs, and hands back what it is at when it stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog

from media_analysis.archive.execution import ArchiveExecution
from media_analysis.errors import MediaAnalysisError

LOOK_SECONDS: Final = 1.0
"""How long a task waits at most before somebody idle begins it."""
log = structlog.get_logger()


@asynccontextmanager
async def running_archivist(execution: ArchiveExecution) -> AsyncIterator[None]:
    """Work through archive tasks, those of dead processes too, while the block runs."""
    # Each on its own: who is idle looks on while another is long at work, and what one meets stops no other.
    alone = replace(execution, concurrency=1)
    working = [asyncio.create_task(_work(alone)) for _ in range(execution.concurrency)]
    try:
        yield
    finally:
        for worker in working:
            worker.cancel()
        await asyncio.wait(working)


async def _work(execution: ArchiveExecution) -> None:
    while True:
        try:
            await execution.run_waiting()
        except MediaAnalysisError as error:
            log.warning("archivist.interrupted", reason=str(error))
        except Exception:
            log.exception("archivist.crashed")
        await asyncio.sleep(LOOK_SECONDS)
