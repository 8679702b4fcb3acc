"""What has to be done to its end, however often whoever waits for it is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")


async def carry_through(work: Awaitable[Value], *, when_cancelled: Callable[[], None] | None = None) -> Value:
    """Return what `work` returns; a cancellation is raised only once it has ended, and then whatever it raised is lost.

    `asyncio.shield` alone lets its caller go at once, and what is still under way then outlives the services it needs.
    `when_cancelled` may ask the work to end sooner.
    """
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        if when_cancelled is not None:
            when_cancelled()
        while not working.done():
            await _ended(working)
        if not working.cancelled():
            working.exception()  # somebody has to look at it, or the loop reports it as lost
        raise


async def _ended(working: asyncio.Future[Value]) -> None:
    try:
        await asyncio.wait([working])
    except asyncio.CancelledError:
        return  # the first one is raised in the end, and says it all
