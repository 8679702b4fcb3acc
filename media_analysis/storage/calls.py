"""Calls of threads and of the kernel: waited for to their end, and failing in our own words."""

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from media_analysis.errors import DiskFull, MediaAnalysisError, StoreUnavailable
from media_analysis.storage.unlinking import errno_name

Value = TypeVar("Value")


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
