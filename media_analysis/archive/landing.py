"""Copies on their way from a segment to the disk: one window is made durable while the next one is read."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from media_analysis.archive.progress import Sink, TaskProgress
from media_analysis.cancellation import carry_through
from media_analysis.failpoints import failpoint
from media_analysis.storage.store import ObjectStore, ObjectWriter, Piece
from media_analysis.storage.writing import BUFFER_BYTES


@dataclass(slots=True)
class GatheringSink:
    """Keeps all of a small file in memory, until it is written and synced with its whole window."""

    writer: ObjectWriter
    progress: TaskProgress
    pieces: list[bytes] = field(default_factory=list)

    def __call__(self, piece: Piece) -> None:
        self.progress.advance(0)
        self.pieces.append(bytes(piece))


def sink_for(writer: ObjectWriter, size_bytes: int, progress: TaskProgress) -> Sink | GatheringSink:
    """Return what takes the content of one copy: a small one is gathered, a large one written as it comes."""
    if size_bytes <= BUFFER_BYTES:
        return GatheringSink(writer, progress)
    writer.expect(size_bytes)
    return Sink(writer, progress)


class Landing:
    """Syncs one window at a time; whoever leaves the block finds none under way, and no error overlooked."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._under_way: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        try:
            await self.wait()
        except Exception:
            if error is None:  # else that came first, and is what there is to tell
                raise

    async def begin(self, sinks: Iterable[Sink | GatheringSink]) -> None:
        """Make durable, and close, what these have taken; first wait for the window before."""
        await self.wait()
        self._under_way = asyncio.create_task(self._sync(list(sinks)))

    async def wait(self) -> None:
        """Return when nothing is under way, or raise why it failed."""
        working, self._under_way = self._under_way, None
        if working is not None:
            await carry_through(working)

    async def _sync(self, sinks: Sequence[Sink | GatheringSink]) -> None:
        small = [(sink.writer, b"".join(sink.pieces)) for sink in sinks if isinstance(sink, GatheringSink)]
        large = [sink.writer for sink in sinks if isinstance(sink, Sink)]
        try:
            done: list[bytes | BaseException] = list(await self._store.write_many(small)) if small else []
            done += await asyncio.gather(*(writer.sync() for writer in large), return_exceptions=True)
            for one in done:
                if isinstance(one, BaseException):
                    raise one
        finally:
            for writer in large:
                writer.close()
        failpoint("unarchive.synced")
