"""A TCP proxy before PostgreSQL that breaks a connection at the COMMIT of a chosen transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

import pytest
from sqlalchemy import make_url

from media_analysis.errors import DatabaseUnavailable


def told(*, delivered: bool) -> AbstractContextManager[object]:
    """Expect the truth of a COMMIT without an answer: it is looked up, and what was committed goes on."""
    return nullcontext() if delivered else pytest.raises(DatabaseUnavailable)


@dataclass
class CuttingProxy:
    """Cuts `times` connections: at the first COMMIT after one of them carried `statement`."""

    url: str
    """Where the database is reached through the proxy."""
    statement: bytes = b""
    ending: bytes = b"COMMIT"
    """What is sent at the end of its transaction; of a statement that is its own, something of what it is given."""
    times: int = 0
    delivered: bool = True
    """Whether the server still gets the COMMIT, so that only its answer is lost."""
    silent: bool = False
    """Whether the connection stays open, and nothing is ever heard of the COMMIT."""
    ends: bool = False
    """Whether nobody is let through any more after the first cut."""
    cuts: int = 0
    armed: int = 0
    """How often; what a connection carried before is forgotten each time."""

    def arm(
        self,
        statement: bytes,
        *,
        ending: bytes = b"COMMIT",
        times: int = 1,
        delivered: bool = True,
        silent: bool = False,
        ends: bool = False,
    ) -> None:
        self.statement, self.times, self.delivered, self.silent = statement, times, delivered, silent
        self.ends, self.ending = ends, ending
        self.armed += 1

    def wants(self, seen: bytes) -> bool:
        return self.cuts < self.times and self.statement in seen and self.ending in seen.partition(self.statement)[2]


@asynccontextmanager
async def cutting_proxy(database: str) -> AsyncIterator[CuttingProxy]:
    """Open a proxy before `database`, which may be reached by a socket file or by TCP."""
    target = make_url(database)
    connections: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        if proxy.ends and proxy.cuts:
            writer.close()
            connections.discard(task)
            return
        folder, port = target.query.get("host"), target.query.get("port", target.port or 5432)
        try:
            upstream = await (
                asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
                if folder
                else asyncio.open_connection(target.host, int(str(port)))
            )
            try:
                await _carry(proxy, (reader, writer), upstream)
            finally:
                upstream[1].close()
        finally:
            writer.close()
            connections.discard(task)

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    here = target.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1], query={})
    proxy = CuttingProxy(here.render_as_string(hide_password=False))
    try:
        yield proxy
    finally:
        server.close()
        for connection in list(connections):
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _carry(proxy: CuttingProxy, client: Streams, server: Streams) -> None:
    """Carry bytes both ways until one side ends or the connection is to be cut."""
    answering = asyncio.create_task(_copy(server[0], client[1]))
    seen, armed = b"", proxy.armed
    try:
        while chunk := await client[0].read(65_536):
            seen, armed = (seen if armed == proxy.armed else b"") + chunk, proxy.armed
            if proxy.wants(seen):
                proxy.cuts += 1
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
                if proxy.delivered:
                    await _deliver(chunk, server, told=b"COMMIT" if proxy.ending == b"COMMIT" else b"SELECT ")
                if proxy.silent:
                    await client[0].read()
                return
            server[1].write(chunk)
            await server[1].drain()
    except ConnectionError:
        return
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _deliver(chunk: bytes, server: Streams, *, told: bytes) -> None:
    """Hand over the end of a transaction and wait until it is done; the answer goes nowhere."""
    server[1].write(chunk)
    await server[1].drain()
    heard = b""
    while told not in heard and (answer := await server[0].read(65_536)):
        heard += answer


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
    writer.close()
