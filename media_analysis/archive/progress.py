"""How far a task is, seen from the thread that works and from the loop that tells; and the word to stop."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import IO, Final, TypeVar

from media_analysis.cancellation import carry_through
from media_analysis.storage.store import ObjectWriter, Piece

Value = TypeVar("Value")

TELL_SECONDS: Final = 1.0
SPOOL_BYTES: Final = 4 * 2**20
Tell = Callable[["TaskProgress"], Awaitable[bool]]


class Stopped(Exception):
    """The work is to be dropped."""


@dataclass
class TaskProgress:
    """A task's progress; the working thread counts, and looks whether it is to stop."""

    total_bytes: int = 0
    stage: str = "waiting"
    done_bytes: int = 0
    lost: bool = False
    """Whether another process has taken the task over."""
    _stop: Event = field(default_factory=Event)

    def begin(self, stage: str) -> None:
        self.stage, self.done_bytes = stage, 0

    def advance(self, size_bytes: int) -> None:
        """Count what was worked through.

        Raises:
            Stopped: nobody waits for the rest.

        """
        self.done_bytes += size_bytes
        if self._stop.is_set():
            raise Stopped

    def stop(self) -> None:
        self._stop.set()

    async def run(self, work: Callable[[], Value]) -> Value:
        """Work in a thread; however often cancelled, this returns only when the thread has let go of everything."""
        return await carry_through(asyncio.to_thread(work), when_cancelled=self.stop)


@asynccontextmanager
async def telling(progress: TaskProgress, tell: Tell) -> AsyncIterator[None]:
    """Tell of the progress every second while the block runs; it is cancelled once nobody listens any more."""
    working = asyncio.current_task()

    async def repeat() -> None:
        heard = await tell(progress)
        while heard:
            await asyncio.sleep(TELL_SECONDS)
            heard = await tell(progress)
        progress.stop()
        if working is not None:
            working.cancel()

    told = asyncio.create_task(repeat())
    try:
        yield
    finally:
        told.cancel()
        await asyncio.wait([told])


class Sink:
    """Gives what a thread makes to a new object, for as long as somebody waits for it."""

    def __init__(self, writer: ObjectWriter, progress: TaskProgress) -> None:
        self.writer = writer
        self._progress = progress

    def __call__(self, piece: Piece) -> None:
        self._progress.advance(0)
        self.writer.put(piece)


def spool() -> IO[bytes]:
    """Return a temporary file without a name, in memory while it is small."""
    return tempfile.SpooledTemporaryFile(SPOOL_BYTES)
