"""Somebody who is called: a real HTTP server that keeps what it gets and answers as asked."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Call:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass
class Receiver:
    """What came, and what to answer."""

    url: str = ""
    status: int = 204
    content: bytes = b""
    more: str = ""
    """Further headers of the answer."""
    silent: bool = False
    """Whether it never answers."""
    calls: list[Call] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.writers.discard(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.calls.append(Call(first.split(" ")[1], headers, body))
        self.came.set()
        if self.silent:
            await reader.read()
            return
        head = f"HTTP/1.1 {self.status} Answer\r\n{self.more}Content-Length: {len(self.content)}\r\n\r\n"
        writer.write(head.encode() + self.content)
        await writer.drain()

    async def wait_for(self, calls: int) -> list[Call]:
        """Return once it was called so often."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.calls) < calls:
                self.came.clear()
                await self.came.wait()
        return self.calls


@asynccontextmanager
async def receiving(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", **answers: Any
) -> AsyncIterator[Receiver]:
    receiver = Receiver(**answers)
    server = await asyncio.start_server(receiver.answer, host, 0, ssl=tls)
    named = f"[{host}]" if ":" in host else host
    receiver.url = f"http://{named}:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for writer in receiver.writers:
            writer.transport.abort()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while receiver.writers:  # noqa: ASYNC110 - they go by themselves
                await asyncio.sleep(0)
