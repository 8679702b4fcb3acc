"""Group commit: many callers waiting for one transaction, each with an answer of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from media_analysis.db.faults import REFUSALS

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Flush = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


class GroupCommit(Generic[Item, Answer]):
    """Gathers what waits while one flush runs and hands it to the next as one group.

    `flush` returns one answer or error per item, in order. A group that the database refuses as a whole is
    halved until the offender stands alone, so one bad row never fails its neighbours.
    `discard` gets the answers of callers that were cancelled while they waited.
    """

    def __init__(
        self, flush: Flush[Item, Answer], *, most: int = 512, discard: Callable[[Answer], None] | None = None
    ) -> None:
        self._flush = flush
        self._most = most
        self._discard = discard
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._in_work = 0
        self._writer: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """Return this item's answer once its group is committed, or raise its error."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await future

    @property
    def load(self) -> int:
        """How many have no answer yet."""
        return len(self._waiting) + self._in_work

    async def settle(self, *, seconds: float) -> None:
        """Wait, so long at most, until everything submitted has its answer."""
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=seconds)

    async def close(self) -> None:
        """Wait until everything submitted has its answer."""
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._in_work = len(group)
            await self._answer(group)
            self._in_work = 0

    async def _answer(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers: Sequence[Answer | Exception] = await self._flush([item for item, _ in group])
        except REFUSALS as error:
            if len(group) > 1:
                middle = len(group) // 2
                await self._answer(group[:middle])
                await self._answer(group[middle:])
                return
            answers = [error]
        except Exception as error:  # noqa: BLE001 - whatever it was, the callers must hear of it
            answers = [error] * len(group)
        for (_, future), answer in zip(group, answers, strict=True):
            self._deliver(future, answer)

    def _deliver(self, future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
        if isinstance(answer, Exception):
            if not future.done():
                future.set_exception(answer)
        elif not future.done():
            future.set_result(answer)
        elif self._discard is not None:
            self._discard(answer)
