"""Group commit: many callers waiting for one transaction, each with an answer of its own."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from media_analysis import tracing
from media_analysis.db.faults import REFUSALS

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


class _Asked(NamedTuple, Generic[Item, Answer]):
    item: Item
    future: asyncio.Future[Answer]
    place: str | None
    """Of whoever asked, in a trace."""


class GroupCommit(Generic[Item, Answer]):
    """Gathers what waits while flushes run and hands it to the next as one group.

    `flush` returns one answer or error per item, in order. A group that the database refuses as a whole is
    halved until the offender stands alone, so one bad row never fails its neighbours.
    `writers` is how many groups are flushed at a time; where they are several, they share what there is. `weigh`
    tells what an item counts of the `most` that a group may weigh.
    A writer that answered several waits for them to ask again, `gathers_seconds` after the last that did so.
    `discard` gets the answers of callers that were cancelled while they waited.
    """

    def __init__(
        self,
        flush: Flush[Item, Answer],
        *,
        most: int = 512,
        weigh: Callable[[Item], int] = lambda _: 1,
        writers: int = 1,
        gathers_seconds: float = 0.0,
        discard: Callable[[Answer], None] | None = None,
    ) -> None:
        self._flush = flush
        self._most, self._weigh = most, weigh
        self._most_writers, self._gathers_seconds = writers, gathers_seconds
        self._discard = discard
        self._waiting: deque[_Asked[Item, Answer]] = deque()
        self._in_work = 0
        self._writers: set[asyncio.Task[None]] = set()
        self._is_taken_up = False
        """Whether a writer is about to take what waits."""
        self._wanted = 0
        self._enough = asyncio.Event()

    async def submit(self, item: Item) -> Answer:
        """Return this item's answer once its group is committed, or raise its error."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(item, future, tracing.place()))
        if len(self._waiting) >= self._wanted:
            self._enough.set()
        self._begin()
        return await future

    async def close(self) -> None:
        """Wait until everything submitted has its answer."""
        while working := [writer for writer in self._writers if not writer.done()]:
            await asyncio.wait(working)

    def _begin(self) -> None:
        # One that has just ended is still among them when those it answered ask again.
        writing = sum(not writer.done() for writer in self._writers)
        if not self._is_taken_up and writing < self._most_writers:
            self._is_taken_up = True
            writer = asyncio.create_task(self._write())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)

    async def _write(self) -> None:
        while self._waiting:
            group = self._take()
            self._is_taken_up = False
            if self._waiting:
                self._begin()
            await self._answer(group)
            self._in_work -= len(group)
            if self._is_taken_up:
                return
            self._is_taken_up = True
            if len(group) > 1 and self._gathers_seconds:
                await self._gather(len(group))
        self._is_taken_up = False

    def _take(self) -> list[_Asked[Item, Answer]]:
        share = -(-(len(self._waiting) + self._in_work) // self._most_writers)
        group: list[_Asked[Item, Answer]] = []
        weight = 0
        while self._waiting and len(group) < share and (not group or weight < self._most):
            group.append(self._waiting.popleft())
            weight += self._weigh(group[-1].item)
        self._in_work += len(group)
        return group

    async def _gather(self, answered: int) -> None:
        self._wanted, before = len(self._waiting) + answered, -1
        while before < len(self._waiting) < self._wanted:
            before = len(self._waiting)
            self._enough.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._gathers_seconds):
                    await self._enough.wait()

    async def _answer(self, group: list[_Asked[Item, Answer]]) -> None:
        try:
            # A writer answers others than the one it began for: what it does is part of what they do.
            first, *others = [asked.place for asked in group]
            links = [place for place in others if place is not None]
            with tracing.span("group", {"group.size": len(group)}, parent=first, links=links):
                answers: Sequence[Answer | Exception] = await self._flush([asked.item for asked in group])
        except REFUSALS as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self._answer(group[:middle])
                await self._answer(group[middle:])
                return
            answers = [error]
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers must hear of it
            answers = [error] * len(group)
        for asked, answer in zip(group, answers, strict=True):
            self._deliver(asked.future, answer)

    def _deliver(self, future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
        if isinstance(answer, Exception):
            if not future.done():
                future.set_exception(answer)
        elif not future.done():
            future.set_result(answer)
        elif self._discard is not None:
            self._discard(answer)
