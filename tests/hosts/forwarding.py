"""Lets hosts of a test reach a server that listens on this machine alone, and cuts them off from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK: int = 2**18


@dataclass
class Forwarding:
    """An address on the bridge behind which the server is."""

    url: str
    cut_off: set[str] = field(default_factory=set)
    """Addresses of hosts whose connections are ended, and not taken any more."""
    open: dict[asyncio.StreamWriter, str] = field(default_factory=dict)

    def cut(self, address: str) -> None:
        """Let a host reach it no more."""
        self.cut_off.add(address)
        for writer, peer in self.open.items():
            if peer == address:
                writer.transport.abort()

    def mend(self, address: str) -> None:
        self.cut_off.discard(address)


@asynccontextmanager
async def forwarding(address: str, *, host: str, port: int) -> AsyncIterator[Forwarding]:
    """Listen at an address of this machine for what listens at another one."""
    tasks = set[asyncio.Task[None]]()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        if peer in made.cut_off:
            writer.transport.abort()
            return
        made.open[writer] = peer
        tasks.add(task := asyncio.ensure_future(_carry(reader, writer, host, port)))
        task.add_done_callback(tasks.discard)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            del made.open[writer]

    server = await asyncio.start_server(connect, address, port)
    made = Forwarding(f"http://{address}:{port}")
    try:
        yield made
    finally:
        server.close()
        for writer in made.open:
            writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    with suppress(OSError):
        there, back = await asyncio.open_connection(host, port)
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            for each in (writer, back):
                each.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
