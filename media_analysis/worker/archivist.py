"""The archivist: works through archive tasks while it runs, and hands back what it is at when it stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from media_analysis.archive.suite import Archives
from media_analysis.errors import MediaAnalysisError

LOOK_SECONDS: Final = 1.0
"""How long a task waits at most before somebody idle begins it."""
log = structlog.get_logger()


@asynccontextmanager
async def running_archivist(archives: Archives) -> AsyncIterator[None]:
    """Work through archive tasks, those of dead processes too, while the block runs."""
    working = asyncio.create_task(_work(archives))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait([working])


async def _work(archives: Archives) -> None:
    while True:
        try:
            await archives.execution.run_waiting()
        except* MediaAnalysisError as errors:
            log.warning("archivist.interrupted", reasons=[str(error) for error in errors.exceptions])
        except* Exception:
            log.exception("archivist.crashed")
        await asyncio.sleep(LOOK_SECONDS)
