"""A line to a server that breaks: a TCP proxy that cuts all connections when so many bytes have gone over it."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from media_analysis.client.addresses import address

CHUNK: Final = 16_384
RESET: Final = struct.pack("ii", 1, 0)
PATIENCE: Final = 60


@dataclass
class Line:
    """What has gone over a line, and where it breaks."""

    port: int = 0
    up_cuts: list[int] = field(default_factory=list)
    """After how many bytes to the server, counted over all connections, everything is cut; the first is due next."""
    down_cuts: list[int] = field(default_factory=list)
    """The same of bytes from the server: what it answered then is lost."""
    stalls_at: int | None = None
    """After so many bytes over one connection to the server nothing goes over it any more, until this is None again."""
    up_bytes: int = 0
    down_bytes: int = 0
    most_bytes: int = 0
    """What went to the server over the connection over which most did."""
    cuts: int = 0
    connections: set[asyncio.StreamWriter] = field(default_factory=set)
    clients: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stalls(self, gone: int) -> bool:
        return self.stalls_at is not None and gone > self.stalls_at

    def sent(self, size: int) -> bool:
        """Count bytes to the server; return whether the line still stands."""
        self.up_bytes += size
        return not self._is_due(self.up_cuts, self.up_bytes, resets=True)

    def answered(self, size: int) -> bool:
        """Count bytes from the server; return whether the line still stands."""
        self.down_bytes += size
        return not self._is_due(self.down_cuts, self.down_bytes, resets=False)

    def _is_due(self, cuts: list[int], gone: int, *, resets: bool) -> bool:
        if not cuts or gone < cuts[0]:
            return False
        del cuts[0]
        self.cuts += 1
        for writer in list(self.connections):
            if not resets or writer not in self.clients:  # what went before is read
                writer.close()
                continue
            opened = writer.get_extra_info("socket")
            with suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
        return True


@contextmanager
def line_to(url: str, *, up_cuts: Sequence[int] = (), down_cuts: Sequence[int] = ()) -> Iterator[Line]:
    """Yield a line to the server at an address."""
    line, port = Line(up_cuts=list(up_cuts), down_cuts=list(down_cuts)), int(address(url).rpartition(":")[2])
    ready, over = threading.Event(), threading.Event()
    carrying = threading.Thread(target=lambda: asyncio.run(_carry_all(line, port, ready, over)))
    carrying.start()
    try:
        assert ready.wait(PATIENCE)
        yield line
    finally:
        over.set()
        carrying.join(PATIENCE)
    assert not carrying.is_alive()


async def _carry_all(line: Line, port: int, ready: threading.Event, over: threading.Event) -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.CancelledError):
            await _carry(line, port, reader, writer)
        writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    ready.set()
    await asyncio.to_thread(over.wait)
    server.close()
    for _ in range(3):  # what was accepted last has yet to begin, and has a connection to close
        await asyncio.sleep(0)
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(line: Line, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    upstream, to_server = await asyncio.open_connection("127.0.0.1", port)
    line.connections |= {writer, to_server}
    line.clients.add(writer)

    async def up() -> None:
        gone = 0
        while (chunk := await reader.read(CHUNK)) and line.sent(len(chunk)):
            gone += len(chunk)
            line.most_bytes = max(line.most_bytes, gone)
            while line.stalls(gone):  # noqa: ASYNC110 - whoever releases it is in another thread
                await asyncio.sleep(0.01)
            to_server.write(chunk)
            await to_server.drain()

    async def down() -> None:
        while (chunk := await upstream.read(CHUNK)) and line.answered(len(chunk)):
            writer.write(chunk)
            await writer.drain()

    both = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        line.connections -= {writer, to_server}
        line.clients.discard(writer)
        for task in both:
            task.cancel()
        writer.close()  # first: who waits below may be cancelled once more
        to_server.close()
        await asyncio.gather(*both, return_exceptions=True)
