"""A parent's ends of the pipes to a child: the event loop only watches them, and only we close them.

A loop that is handed a pipe closes its descriptor, and uvloop closes the pipe's file object after that: the number
may be another file's by then. Whoever opens a descriptor closes it here, so it is never handed to a loop.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

PIPE_BYTES: Final = 65_536
"""What a pipe of Linux holds."""


def open_pipe(*, reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Return the two descriptors of a new pipe, each closed by the stack it is entered in."""
    readable, writable = os.pipe()
    reader.callback(os.close, readable)
    writer.callback(os.close, writable)
    return readable, writable


class ReadEnd(asyncio.ReadTransport):
    """Hands on what comes out of a pipe as it comes, and b"" at its end."""

    def __init__(self, descriptor: int, receive: Callable[[bytes], None]) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._receive = receive
        self._closing = False
        os.set_blocking(descriptor, False)
        self.resume_reading()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        if not self._closing:
            self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        if not self._closing:
            self._loop.add_reader(self._descriptor, self._read)

    def close(self) -> None:
        """Close the descriptor, once however often it is asked for."""
        if not self._closing:
            self.pause_reading()
            self._closing = True
            os.close(self._descriptor)

    def _read(self) -> None:
        try:
            content = os.read(self._descriptor, PIPE_BYTES)
        except BlockingIOError:
            return
        if not content:
            self.close()
        self._receive(content)


class WriteEnd:
    """Writes one content into a pipe as fast as its reader takes it, and closes it then."""

    def __init__(self, descriptor: int, content: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._rest = memoryview(content)
        self._closing = False
        os.set_blocking(descriptor, False)
        self._loop.add_writer(descriptor, self._write)

    def close(self) -> None:
        """Close the descriptor, once however often it is asked for."""
        if not self._closing:
            self._loop.remove_writer(self._descriptor)
            self._closing = True
            os.close(self._descriptor)

    def _write(self) -> None:
        try:
            written = os.write(self._descriptor, self._rest)
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(self._rest)  # the child is gone: its end says so
        self._rest = self._rest[written:]
        if not self._rest:
            self.close()


def stream_of(descriptor: int, *, limit: int) -> tuple[asyncio.StreamReader, ReadEnd]:
    """Return what comes out of a pipe as a stream that lets its writer wait beyond `limit` bytes."""
    stream = asyncio.StreamReader(limit=limit)

    def receive(content: bytes) -> None:
        if content:
            stream.feed_data(content)
        else:
            stream.feed_eof()

    end = ReadEnd(descriptor, receive)
    stream.set_transport(end)
    return stream, end
