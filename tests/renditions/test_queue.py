"""Who decodes next: owners by turns, so many at once, and no more than may wait."""

import asyncio
from collections.abc import Awaitable

from media_analysis.errors.analysis import PicturesBusy
from media_analysis.renditions.queue import DecodingQueue


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


class Desk:
    """A queue of one place, and in which order it was given away."""

    def __init__(self, **limits: int) -> None:
        self.queue = DecodingQueue(1, **limits)
        self.served: list[str] = []
        self.may_end = asyncio.Event()

    def ask(self, owner: str) -> asyncio.Task[None]:
        return asyncio.ensure_future(self._decode(owner))

    async def _decode(self, owner: str) -> None:
        async with self.queue.turn(owner):
            self.served.append(owner)
            await self.may_end.wait()


async def end(desk: Desk, *asked: Awaitable[None]) -> None:
    desk.may_end.set()
    await asyncio.gather(*asked)


async def test_one_picture_of_an_owner_does_not_wait_behind_all_of_another() -> None:
    desk = Desk()

    asked = [desk.ask(owner) for owner in ("alice", "alice", "alice", "alice", "bob", "carol", "bob")]
    await settle()
    await end(desk, *asked)

    assert desk.served == ["alice", "alice", "bob", "carol", "alice", "bob", "alice"]


async def test_who_would_wait_too_long_is_told_so_and_others_still_may() -> None:
    desk = Desk(most_waiting=3, most_waiting_per_owner=2)

    asked = [desk.ask(owner) for owner in ("alice", "alice", "alice", "alice", "bob", "bob")]
    await settle()
    refused = [task for task in asked if task.done()]
    await end(desk, *(task for task in asked if task not in refused))

    assert [asked.index(task) for task in refused] == [3, 5]
    assert all(isinstance(task.exception(), PicturesBusy) for task in refused)


async def test_who_leaves_gives_the_place_on_whenever_that_is() -> None:
    desk = Desk()
    first, second, third = (desk.ask(owner) for owner in ("alice", "bob", "carol"))
    await settle()

    second.cancel()
    await settle()
    first.cancel()
    third.cancel()
    await settle()
    last = desk.ask("dave")
    await end(desk, last)

    assert desk.served == ["alice", "dave"]
