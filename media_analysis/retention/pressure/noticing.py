"""Looking at a category after uploads: once a second at most, and once more after the last of a burst."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from media_analysis.storage.category import Category

NOTICE_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Noticing:
    """Looks at once where nobody did for a second; what comes sooner is looked at together when it is over."""

    look: Callable[[Category], Awaitable[None]]
    is_busy: Callable[[Category], bool]
    """Whether looking would have to wait."""
    seconds: float = NOTICE_SECONDS
    _looked: dict[Category, float] = field(default_factory=dict, init=False)
    _planned: set[Category] = field(default_factory=set, init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False)

    async def notice(self, category: Category) -> None:
        """Look at a category now, or see to it that somebody does within a second."""
        wait_seconds = self._looked.get(category, -math.inf) + self.seconds - time.monotonic()
        if wait_seconds <= 0 and not self.is_busy(category):
            await self._look(category)
        elif category not in self._planned:
            self._planned.add(category)
            task = asyncio.create_task(self._look_later(category, max(0.0, wait_seconds)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up the looks that were put off: whoever serves next looks at its start."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_later(self, category: Category, wait_seconds: float) -> None:
        await asyncio.sleep(wait_seconds)
        self._planned.discard(category)  # what comes from here on may come after it looked
        await self._look(category)

    async def _look(self, category: Category) -> None:
        self._looked[category] = time.monotonic()
        await self.look(category)
