"""Calls of threads and of the kernel: waited for to their end, and failing in our own words."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from media_analysis.errors import DiskFull, MarkerMismatch, MediaAnalysisError, StoreUnavailable
from media_analysis.storage.unlinking import errno_name

Held = Callable[[], Awaitable[None]]
"""Fails once somebody else may have what only one may have."""
Item = TypeVar("Item")
Value = TypeVar("Value")


async def unheld() -> None:
    """Fail never: nobody else can be there."""


async def uncancelled(working: asyncio.Future[Value]) -> Value:
    """Wait for a thread however often cancelled: it works on, and its descriptor must stay open till then."""
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        working.exception()  # somebody has to look at it, or the loop reports it as lost
        raise cancelled
    return working.result()


async def each(work: Callable[[Item], Awaitable[Value]], items: Sequence[Item], *, at_once: int) -> Sequence[Value]:
    """Return what comes of each item in order, of so many at once; the first error ends all, and waits for them."""
    waiting, done = iter(enumerate(items)), dict[int, Value]()

    async def take() -> None:
        for number, item in waiting:
            done[number] = await work(item)

    tasks = [asyncio.create_task(take()) for _ in range(min(at_once, len(items)))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await uncancelled(asyncio.gather(*tasks, return_exceptions=True))
    return [done[number] for number in range(len(items))]


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the kernel says into our own errors.

    Raises:
        DiskFull, StoreUnavailable: the block raised an `OSError`.

    """
    try:
        yield
    except OSError as error:
        raise translate(error) from error


def translate(error: OSError) -> MediaAnalysisError:
    """Return our own error for what the kernel said."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull()
    return StoreUnavailable(errno_name(error))


def reason_of(error: MediaAnalysisError) -> str:
    """Return in few words why something failed, for operators."""
    return error.reason if isinstance(error, StoreUnavailable | MarkerMismatch) else str(error)
