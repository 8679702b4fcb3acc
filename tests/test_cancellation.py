"""Work that is carried through."""

import asyncio

import pytest

from media_analysis.cancellation import carry_through


async def test_what_is_carried_through_ends_before_its_caller_however_often_that_is_cancelled() -> None:
    may_end, told = asyncio.Event(), []
    caller = asyncio.create_task(carry_through(may_end.wait(), when_cancelled=lambda: told.append("cancelled")))
    still_there = []
    for _ in range(3):
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.sleep(0)
        still_there.append(not caller.done())
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await caller
    assert still_there == [True] * 3
    assert told == ["cancelled"]


async def test_what_it_returns_or_raises_is_handed_on() -> None:
    async def fail() -> None:
        raise ValueError("refused")

    assert await carry_through(asyncio.sleep(0, "value")) == "value"
    with pytest.raises(ValueError, match="refused"):
        await carry_through(fail())


async def test_an_error_after_a_cancellation_is_no_lost_one() -> None:
    going = asyncio.Event()

    async def fail() -> None:
        await going.wait()
        raise ValueError("refused")

    lost: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
    caller = asyncio.create_task(carry_through(fail()))
    await asyncio.sleep(0)
    caller.cancel()
    going.set()

    with pytest.raises(asyncio.CancelledError):
        await caller
    del caller
    assert lost == []
