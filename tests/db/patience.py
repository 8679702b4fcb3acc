"""Patience with a database that is late: machines that run tests stand still for seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from media_analysis.errors import DatabaseUnavailable

Answer = TypeVar("Answer")
PATIENCE_SECONDS: Final = 60


async def answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask as a client would that was told to try again later, an `AssertionError` being told so, too."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await ask()
            except (DatabaseUnavailable, AssertionError):
                await asyncio.sleep(0.05)
