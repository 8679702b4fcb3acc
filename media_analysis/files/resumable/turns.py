"""Which request writes to which upload: the newest one, once those before it have let go."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from media_analysis.errors import ObjectBusy, UploadSuperseded
from media_analysis.files.upload.bodies import Body
from media_analysis.storage.store import Running

LET_GO_SECONDS: Final = 10.0
"""How long a request waits for the one before it, which may be waiting for the disk."""
REMEMBERED: Final = 4096
"""Of how many uploads it is remembered what their bytes hash to."""


@dataclass(eq=False)
class Turn:
    """One request that writes to an upload, until a newer one comes."""

    is_over: bool = False
    is_lost: bool = False
    """Whether what it has received and not yet synced does not count: somebody writes in its place."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: asyncio.Timeout | None = None

    def stop(self, *, loses: bool) -> None:
        """Have the request end, wherever it waits for its client."""
        self.is_over, self.is_lost = True, self.is_lost or loses
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def receive(self, body: Body) -> AsyncIterator[bytes]:
        """Pass `body` on while it is this request's turn.

        Raises:
            UploadSuperseded: it is not any more.

        """
        while True:
            try:
                async with asyncio.timeout(None) as self._waiting:
                    if self.is_over:
                        raise UploadSuperseded
                    chunk = await anext(body, None)
            except TimeoutError:
                if not self.is_over:
                    raise
                raise UploadSuperseded from None
            finally:
                self._waiting = None
            if chunk is None:
                return
            yield chunk


@dataclass(frozen=True)
class Turns:
    """The requests of this process that write to uploads, and what came of those before them."""

    _running: dict[UUID, Turn] = field(default_factory=dict)
    _hashes: OrderedDict[UUID, tuple[int, Running]] = field(default_factory=OrderedDict)

    def is_taken(self, upload_id: UUID) -> bool:
        """Whether a request of this process writes to an upload."""
        return upload_id in self._running

    @asynccontextmanager
    async def take(self, upload_id: UUID, *, loses: bool = True) -> AsyncIterator[Turn]:
        """Have an upload to oneself while the block runs; whoever writes to it is stopped first, and waited for.

        What that one received counts unless it `loses` it.

        Raises:
            ObjectBusy: the request before this one does not let go.

        """
        turn = Turn()
        try:
            async with asyncio.timeout(LET_GO_SECONDS):
                while (earlier := self._running.get(upload_id)) is not None:
                    earlier.stop(loses=loses)
                    await earlier.ended.wait()
        except TimeoutError as error:
            raise ObjectBusy from error
        self._running[upload_id] = turn
        try:
            yield turn
        finally:
            del self._running[upload_id]
            turn.ended.set()

    def running_hash(self, upload_id: UUID, size_bytes: int) -> Running | None:
        """Return what so many bytes of an upload hash to, if this process knows."""
        known_bytes, running = self._hashes.get(upload_id, (0, None))
        return running if known_bytes == size_bytes else None

    def remember(self, upload_id: UUID, size_bytes: int, running: Running | None) -> None:
        """Keep what an upload hashes to so far; that of whose bytes came longest ago is forgotten."""
        self._hashes.pop(upload_id, None)
        if running is not None:
            self._hashes[upload_id] = (size_bytes, running)
            if len(self._hashes) > REMEMBERED:
                self._hashes.popitem(last=False)
