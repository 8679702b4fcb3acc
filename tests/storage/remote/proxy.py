"""A TCP proxy before an S3 gateway that spoils chosen requests: refused, unanswered, or cut within an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit


class Spoiling(StrEnum):
    """What happens to a request."""

    SLOW_DOWN = "slow down"
    """It is answered 503, as S3 does that has too much to do."""
    UNASKED = "unasked"
    """The connection ends before the gateway hears of it."""
    UNANSWERED = "unanswered"
    """The gateway does it, and nobody hears of that."""
    CUT = "cut"
    """The connection ends in the middle of the answer."""
    STALLED = "stalled"
    """Nothing is heard of it, and the connection stays."""


@dataclass
class SpoilingProxy:
    """Spoils the next `times` requests whose first line holds `part`."""

    url: str
    spoiling: Spoiling = Spoiling.CUT
    part: bytes = b""
    times: int = 0
    after_bytes: int = 0
    """How much of an answer comes before it is cut."""
    seen: list[bytes] = field(default_factory=list)
    """The first lines of all requests."""
    heads: list[bytes] = field(default_factory=list)
    """All of their heads."""

    def spoil(self, spoiling: Spoiling, part: bytes, *, times: int = 1, after_bytes: int = 0) -> None:
        self.spoiling, self.part, self.times, self.after_bytes = spoiling, part, times, after_bytes

    def take(self, line: bytes) -> Spoiling | None:
        self.seen.append(line)
        if not self.times or self.part not in line:
            return None
        self.times -= 1
        return self.spoiling


SLOW_DOWN = b"<Error><Code>SlowDown</Code></Error>"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def spoiling_proxy(url: str) -> AsyncIterator[SpoilingProxy]:
    """Open a proxy before the gateway at `url`."""
    target = urlsplit(url)
    connections: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        upstream = await asyncio.open_connection(target.hostname, target.port)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await _carry(proxy, (reader, writer), upstream)
        finally:
            for stream in (writer, upstream[1]):
                stream.close()
            connections.discard(task)

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    proxy = SpoilingProxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield proxy
    finally:
        server.close()
        for connection in list(connections):
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _carry(proxy: SpoilingProxy, client: Streams, gateway: Streams) -> None:
    answering = asyncio.create_task(_copy(gateway[0], client[1], most_bytes=None))
    try:
        while True:
            head = await client[0].readuntil(b"\r\n\r\n")
            proxy.heads.append(head)
            spoiling = proxy.take(head.partition(b"\r\n")[0])
            if spoiling is Spoiling.UNASKED:
                return
            body = await client[0].readexactly(_length(head))
            if spoiling is Spoiling.SLOW_DOWN:
                client[1].write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: %d\r\n\r\n%b" % (len(SLOW_DOWN), SLOW_DOWN))
                continue
            if spoiling is not None:
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)
            gateway[1].write(head + body)
            await gateway[1].drain()
            match spoiling:
                case Spoiling.UNANSWERED:
                    await gateway[0].read(1)
                    return
                case Spoiling.CUT:
                    await _copy(gateway[0], client[1], most_bytes=proxy.after_bytes)
                    return
                case Spoiling.STALLED:
                    await client[0].read()
                    return
                case _:
                    pass
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most_bytes: int | None) -> None:
    copied = 0
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
        copied += len(chunk)
        if most_bytes is not None and copied >= most_bytes:
            return
    writer.close()
