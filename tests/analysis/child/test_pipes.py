"""A parent's ends of pipes, on the loop of the service and on that of the tests."""

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest
import uvloop

from media_analysis.analysis.child.pipes import PIPE_BYTES, ReadEnd, WriteEnd, stream_of

TURNS = 10
LONG = bytes(range(256)) * (PIPE_BYTES // 64)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    with asyncio.Runner(loop_factory=factory) as opened:
        yield opened


def test_more_than_a_pipe_holds_arrives_whole_and_both_ends_are_closed(runner: asyncio.Runner) -> None:
    readable, writable = os.pipe()

    async def pass_on() -> bytes:
        WriteEnd(writable, LONG)
        stream, _ = stream_of(readable, limit=1_024)
        return await stream.read()

    assert runner.run(pass_on()) == LONG
    for descriptor in (readable, writable):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_closing_again_leaves_the_next_owner_of_the_number_alone(runner: asyncio.Runner) -> None:
    async def close_twice() -> None:
        readable, writable = os.pipe()
        ends = ReadEnd(readable, print), WriteEnd(writable, b"")
        for end in ends:
            end.close()
        others = os.pipe()

        for end in ends:
            end.close()

        assert others == (readable, writable)
        for descriptor in others:
            os.close(descriptor)

    runner.run(close_twice())


def test_a_reader_that_is_gone_ends_the_writing(runner: asyncio.Runner) -> None:
    readable, writable = os.pipe()
    os.close(readable)

    async def write() -> None:
        WriteEnd(writable, LONG)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    runner.run(write())

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writable)
