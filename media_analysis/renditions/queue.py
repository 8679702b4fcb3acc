"""Who may have a picture made now: so many at once, owners by turns, and nobody waits in a queue without end."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from media_analysis.errors.analysis import PicturesBusy

MOST_WAITING: Final = 1_024
MOST_WAITING_PER_OWNER: Final = 256
"""A page of sixty thumbnails is far below that."""


@dataclass
class DecodingQueue:
    """Places of one process; a place that becomes free goes to the owner who was served longest ago."""

    places: int
    most_waiting: int = MOST_WAITING
    most_waiting_per_owner: int = MOST_WAITING_PER_OWNER
    _taken: int = field(default=0, init=False)
    _waiting: OrderedDict[str, deque[asyncio.Future[None]]] = field(default_factory=OrderedDict, init=False)

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Run the block when it is this owner's turn.

        Raises:
            PicturesBusy: too many wait already.

        """
        await self._take(owner)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, owner: str) -> None:
        if self._taken < self.places:
            self._taken += 1
            return
        if sum(map(len, self._waiting.values())) >= self.most_waiting:
            raise PicturesBusy
        mine = self._waiting.setdefault(owner, deque())
        if len(mine) >= self.most_waiting_per_owner:
            raise PicturesBusy
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine.append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self._pass_on()  # called, and gone before it heard
            else:
                self._leave(owner, called)
            raise

    def _leave(self, owner: str, called: asyncio.Future[None]) -> None:
        mine = self._waiting.get(owner, deque())
        if called in mine:
            mine.remove(called)
        if not mine:
            self._waiting.pop(owner, None)

    def _pass_on(self) -> None:
        while self._waiting:
            owner, mine = self._waiting.popitem(last=False)
            called = mine.popleft()
            if mine:
                self._waiting[owner] = mine  # behind all others
            if not called.done():  # else whoever waits is leaving
                called.set_result(None)
                return
        self._taken -= 1
