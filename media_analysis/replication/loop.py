"""The loop that keeps replicas, in each process that keeps the schedule; they share the work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import structlog

from media_analysis.errors import MediaAnalysisError, StoreUnavailable
from media_analysis.replication.suite import ReplicationServices

LOOK_SECONDS: Final = 1.0
"""How long a file may wait until it is noted."""
SOON_SECONDS: Final = 0.1
"""How soon it looks again for what was just written, and waits for a transaction to end."""
FAILED_SECONDS: Final = 5.0
STREAMS: Final = 2
"""How many large files one process copies at once."""
log = structlog.get_logger()


@asynccontextmanager
async def running_replication(
    services: ReplicationServices | None, *, look_seconds: float = LOOK_SECONDS
) -> AsyncIterator[None]:
    """Keep replicas while the block runs, where there are any."""
    if services is None:
        yield
        return
    stopping = asyncio.Event()

    async def keep_on(do: Callable[[], Awaitable[bool]]) -> None:
        """Do it until stopped, however often a store or the database fails."""
        while not stopping.is_set():
            seconds = await _look(services, do, look_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stopping.wait()

    # Large files take minutes: who is at one keeps nobody else's waiting.
    streams = [partial(services.replicas.run, is_large=True)] * STREAMS
    working = {asyncio.create_task(keep_on(do)) for do in (partial(work_small, services), *streams)}
    try:
        yield
    finally:
        stopping.set()
        for task in working:
            task.cancel()
        await asyncio.wait(working)


async def _look(services: ReplicationServices, do: Callable[[], Awaitable[bool]], look_seconds: float) -> float:
    """Do it until nothing is left; return how many seconds nobody has to look."""
    try:
        while await do():
            pass
    except StoreUnavailable:
        return FAILED_SECONDS  # whoever asked for it has said so
    except MediaAnalysisError as error:
        log.warning("replica.unlooked", code=error.code, reason=str(error))
        return FAILED_SECONDS
    except Exception:
        log.exception("replica.crashed")
        return FAILED_SECONDS
    return SOON_SECONDS if services.noting.horizon.is_behind else look_seconds


async def work_small(services: ReplicationServices) -> bool:
    """Note what came, then copy, delete and mend some of what is small; say whether there is more at once.

    Raises:
        StoreUnavailable: the replica is away; what came was noted all the same.

    """
    walks = await services.noting.run()
    await services.replicas.heal_damaged()
    return await services.replicas.run(is_large=False) or walks


async def work(services: ReplicationServices) -> bool:
    """Do the same, and work off a large file as well."""
    small = await work_small(services)
    return await services.replicas.run(is_large=True) or small
