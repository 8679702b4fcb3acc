"""Runs a task in a child, and hands on what it makes; whatever happens, the child is gone afterwards."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Final

import structlog

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.nursery import Nursery, Process
from media_analysis.analysis.child.protocol import Assignment, Message
from media_analysis.analysis.child.reading import MessageReader
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
    assignment: Assignment, *, confinement: Confinement, nursery: Nursery
) -> AsyncIterator[AsyncIterator[Message]]:
    """Yield the messages of a task that runs in a child, in its order; they end when the task returned.

    Leaving the block, however that happens, kills the child and waits until it is gone.

    Raises:
        MediaAnalysisError: whatever the task raised, from the iterator; of a plugin's own errors as TaskFailed.
        AnalysisCrashed: the child died, could not be started, or the task raised what is no domain error.
        AnalysisTimedOut: it ran for `confinement.seconds`.
        AnalysisMemoryPassed: it asked for more than `confinement.memory_bytes`.

    """
    child = _spawn(assignment, confinement, nursery)
    try:
        await child.connect(assignment)
        yield child
    finally:
        await asyncio.shield(child.end())


class _Output(asyncio.Protocol):
    """The last of what codecs print."""

    def __init__(self) -> None:
        self.tail = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-OUTPUT_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()

    async def text(self) -> str:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), GRACE_SECONDS)
        return self.tail.decode(errors="replace").replace("\0", "\ufffd").strip()


@dataclass
class _Child:
    process: Process
    order: IO[bytes]
    messages: IO[bytes]
    printed: IO[bytes]
    reader: MessageReader
    confinement: Confinement
    deadline: float
    output: _Output = field(default_factory=_Output)
    attached: list[Callable[[], None]] = field(default_factory=list)

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

    async def connect(self, assignment: Assignment) -> None:
        """Attach the pipes to the event loop, and send the assignment."""
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReaderProtocol(self.reader.stream)
        self.attached.append((await loop.connect_read_pipe(lambda: stream, self.messages))[0].close)
        self.attached.append((await loop.connect_read_pipe(lambda: self.output, self.printed))[0].close)
        order, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self.order)
        self.attached.append(order.close)
        order.write(_order_of(assignment, self.confinement, self.process.parent))
        order.write_eof()

    async def end(self) -> None:
        """Kill what is left of the child, wait until it is gone, and close the pipes."""
        self.process.kill()
        if await self.process.wait(REAP_SECONDS) is None:
            log.error("analysis.child_left", stem=self.process.parent, number=self.process.number)
        for close in self.attached:
            close()
        for pipe in (self.messages, self.printed, self.order)[len(self.attached) :]:
            pipe.close()

    async def _death(self) -> MediaAnalysisError:
        status = await self.process.wait(GRACE_SECONDS)
        if self.process.cause is not None:
            return AnalysisCrashed("it cannot be started", output=self.process.cause)
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


def _spawn(assignment: Assignment, confinement: Confinement, nursery: Nursery) -> _Child:
    """Start a child that waits for its assignment."""
    try:
        with ExitStack() as theirs, ExitStack() as ours:
            order_end, order = _pipe(reader=theirs, writer=ours)
            messages, messages_end = _pipe(reader=ours, writer=theirs)
            printed, printed_end = _pipe(reader=ours, writer=theirs)
            process = nursery.start(
                threads=assignment.limits.threads,
                order=order_end.fileno(),
                messages=messages_end.fileno(),
                printed=printed_end.fileno(),
            )
            ours.pop_all()
    except OSError as error:
        raise AnalysisCrashed("it cannot be started", output=str(error)) from error
    reader = MessageReader(
        asyncio.StreamReader(limit=BUFFER_BYTES), len(assignment.sources), assignment.limits.max_product_bytes
    )
    deadline = asyncio.get_running_loop().time() + confinement.seconds
    return _Child(process, order, messages, printed, reader, confinement, deadline)


def _pipe(*, reader: ExitStack, writer: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    readable, writable = os.pipe()
    return (
        reader.enter_context(os.fdopen(readable, "rb", buffering=0)),
        writer.enter_context(os.fdopen(writable, "wb", buffering=0)),
    )


def _order_of(assignment: Assignment, confinement: Confinement, parent: int) -> bytes:
    order = {"parent": parent, "confinement": asdict(confinement), "assignment": assignment.document()}
    return json.dumps(order).encode()
