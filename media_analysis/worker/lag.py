"""How late the event loop is: a loop that stands still sends no heartbeats, and others take its jobs over."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

PERIOD_SECONDS: Final = 0.25
LATE_SECONDS: Final = 1.0
REMEMBERED_SECONDS: Final = 60.0
log = structlog.get_logger()


async def watch_lag(observe: Callable[[float], None]) -> None:
    """Report the longest lag of the last minute, in seconds, over and over; a long one is logged."""
    loop = asyncio.get_running_loop()
    worst, seen_at = 0.0, loop.time()
    while True:
        asleep_at = loop.time()
        await asyncio.sleep(PERIOD_SECONDS)
        lag = max(0.0, loop.time() - asleep_at - PERIOD_SECONDS)
        if lag >= worst or loop.time() - seen_at > REMEMBERED_SECONDS:
            worst, seen_at = lag, loop.time()
        observe(worst)
        if lag > LATE_SECONDS:
            log.warning("loop.lagged", seconds=round(lag, 3))
