"""Runs a task in a child, and hands on what it makes; whatever happens, the child is gone afterwards."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer, Process
from media_analysis.analysis.child.pipes import ReadEnd, WriteEnd, open_pipe, stream_of
from media_analysis.analysis.child.protocol import Assignment, Message
from media_analysis.analysis.child.reading import MessageReader
from media_analysis.cancellation import carry_through
from media_analysis.errors.analysis import AnalysisCrashed, AnalysisMemoryPassed, AnalysisTimedOut
from media_analysis.errors.kinds import MediaAnalysisError

GRACE_SECONDS: Final = 2.0
"""Between a child's last word and its end."""
REAP_SECONDS: Final = 10.0
BUFFER_BYTES: Final = 262_144
OUTPUT_BYTES: Final = 4_096
OUT_OF_MEMORY: Final = ("MemoryError", "std::bad_alloc", "Cannot allocate memory")
"""What a library says that ends the program where it gets no memory."""
log = structlog.get_logger()


@asynccontextmanager
async def run_task(
    assignment: Assignment, *, confinement: Confinement, fork_server: ForkServer
) -> AsyncIterator[AsyncIterator[Message]]:
    """Yield the messages of a task that runs in a child, in its order; they end when the task returned.

    Leaving the block, however that happens, kills the child and waits until it is gone.

    Raises:
        MediaAnalysisError: whatever the task raised, from the iterator; of a plugin's own errors as TaskFailed.
        AnalysisCrashed: the child died, could not be started, or the task raised what is no domain error.
        AnalysisTimedOut: it ran for `confinement.seconds`.
        AnalysisMemoryPassed: it asked for more than `confinement.memory_bytes`.

    """
    child = _spawn(assignment, confinement, fork_server)
    try:
        yield child
    finally:
        await carry_through(child.end())


class _Output:
    """The last of what codecs print."""

    def __init__(self) -> None:
        self.tail = b""
        self.ended = asyncio.Event()

    def receive(self, content: bytes) -> None:
        self.tail = (self.tail + content)[-OUTPUT_BYTES:]
        if not content:
            self.ended.set()

    async def text(self) -> str:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), GRACE_SECONDS)
        return self.tail.decode(errors="replace").replace("\0", "\ufffd").strip()


@dataclass
class _Child:
    process: Process
    pipes: tuple[ReadEnd | WriteEnd, ...]
    reader: MessageReader
    output: _Output
    confinement: Confinement
    deadline: float

    def __aiter__(self) -> "_Child":
        return self

    async def __anext__(self) -> Message:
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.reader.read()
        except TimeoutError:
            raise AnalysisTimedOut(limit_seconds=self.confinement.seconds) from None
        except EOFError:
            raise await self._death() from None
        except AnalysisCrashed as error:
            raise await self._crash(error.cause) from error
        if message is None:
            raise StopAsyncIteration
        return message

    async def end(self) -> None:
        """Kill what is left of the child, wait until it is gone, and close the pipes."""
        self.process.kill()
        if await self.process.wait(REAP_SECONDS) is None:
            log.error("analysis.child_left", zygote=self.process.parent, number=self.process.number)
        for pipe in self.pipes:
            pipe.close()

    async def _death(self) -> MediaAnalysisError:
        status = await self.process.wait(GRACE_SECONDS)
        if self.process.cause is not None:
            return AnalysisCrashed("the child cannot be started", output=self.process.cause)
        if status == -signal.SIGXCPU:
            return AnalysisTimedOut(limit_seconds=self.confinement.seconds)
        if status is None:
            return await self._crash("it fell silent")
        return await self._crash(signal.Signals(-status).name if status < 0 else f"exit status {status}")

    async def _crash(self, cause: str) -> MediaAnalysisError:
        output = await self.output.text()
        if any(words in output for words in OUT_OF_MEMORY):
            return AnalysisMemoryPassed(limit_bytes=self.confinement.memory_bytes)
        log.warning("analysis.crashed", cause=cause, output=output)
        return AnalysisCrashed(cause, output=output)


def _spawn(assignment: Assignment, confinement: Confinement, fork_server: ForkServer) -> _Child:
    """Start a child, and send it the assignment."""
    try:
        with ExitStack() as theirs, ExitStack() as ours:
            order_end, order = open_pipe(reader=theirs, writer=ours)
            messages, messages_end = open_pipe(reader=ours, writer=theirs)
            printed, printed_end = open_pipe(reader=ours, writer=theirs)
            process = fork_server.start(
                threads=assignment.limits.threads, order=order_end, messages=messages_end, printed=printed_end
            )
            ours.pop_all()
    except OSError as error:
        raise AnalysisCrashed("the child cannot be started", output=str(error)) from error
    stream, stream_end = stream_of(messages, limit=BUFFER_BYTES)
    output = _Output()
    pipes = (
        stream_end,
        ReadEnd(printed, output.receive),
        WriteEnd(order, _order_of(assignment, confinement, process.parent)),
    )
    reader = MessageReader(stream, len(assignment.sources), assignment.limits.max_product_bytes)
    deadline = asyncio.get_running_loop().time() + confinement.seconds
    return _Child(process, pipes, reader, output, confinement, deadline)


def _order_of(assignment: Assignment, confinement: Confinement, parent: int) -> bytes:
    order = {"parent": parent, "confinement": asdict(confinement), "assignment": assignment.document()}
    return json.dumps(order).encode()
