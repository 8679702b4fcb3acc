"""A TCP proxy before an S3 gateway that spoils chosen requests: refused, unanswered, late, or answered otherwise."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit


class Spoiling(StrEnum):
    """What happens to a request."""

    SLOW_DOWN = "slow down"
    """It is answered 503, as S3 does that has too much to do."""
    AWAY = "away"
    """It is answered 503, as whatever stands before S3 does."""
    REFUSED = "refused"
    """It is answered 403."""
    NO_BUCKET = "no bucket"
    """It is answered 404: the bucket is gone."""
    UNASKED = "unasked"
    """The connection ends before the gateway hears of it."""
    UNANSWERED = "unanswered"
    """The gateway does it, and nobody hears of that."""
    CUT = "cut"
    """The connection ends in the middle of the answer."""
    HALTED = "halted"
    """The answer stops in its middle, and the connection stays."""
    STALLED = "stalled"
    """Nothing is heard of it, and the connection stays."""
    LATE = "late"
    """Nothing is heard of it, and the gateway gets it when `land` says so, long after its sender gave up."""
    ANSWERED = "answered"
    """The gateway hears nothing of it, and an answer is made up."""
    FORGED = "forged"
    """The gateway does it, and another answer is heard."""


Answer = tuple[bytes, bytes]
"""What stands behind HTTP/1.1, and a body."""
ANSWERS: Final = {
    Spoiling.SLOW_DOWN: (b"503 Slow Down", b"<Error><Code>SlowDown</Code></Error>"),
    Spoiling.AWAY: (b"503 Service Unavailable", b"<html>away</html>"),
    Spoiling.REFUSED: (b"403 Forbidden", b"<Error><Code>AccessDenied</Code></Error>"),
    Spoiling.NO_BUCKET: (b"404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>"),
}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GATEWAY_SECONDS: Final = 20
LINK_BYTES: Final = 32 * 1024


@dataclass
class SpoilingProxy:
    """Spoils `times` requests whose first line holds `part`, after it let `skip` of them pass."""

    url: str
    gateway: tuple[str, int]
    spoiling: Spoiling = Spoiling.CUT
    part: bytes = b""
    times: int = 0
    skip: int = 0
    is_hit: bool = False
    """Whether a request was spoiled."""
    after_bytes: int = 0
    """How much of an answer comes before it is cut."""
    forge: Callable[[bytes], Answer] = lambda body: (b"200 OK", body)
    """Returns what is answered in place of a body."""
    seen: list[bytes] = field(default_factory=list)
    """The first lines of all requests."""
    heads: list[bytes] = field(default_factory=list)
    """All of their heads."""
    late: list[bytes] = field(default_factory=list)
    """Requests that are still on their way."""
    open: int = 0
    """How many connections there are."""
    bytes_per_second: float | None = None
    """How much all connections together carry to the gateway; None is as much as they can."""
    _free_at: float = 0.0

    def spoil(
        self, spoiling: Spoiling, part: bytes = b"", *, times: int = 1, skip: int = 0, after_bytes: int = 0
    ) -> None:
        self.spoiling, self.part, self.times, self.skip = spoiling, part, times, skip
        self.after_bytes, self.is_hit = after_bytes, False

    def forge_answers(self, forge: Callable[[bytes], Answer], part: bytes, *, times: int = 1) -> None:
        self.forge = forge
        self.spoil(Spoiling.FORGED, part, times=times)

    def answer(self, answer: Answer, part: bytes, *, times: int = 1) -> None:
        self.forge = lambda _: answer
        self.spoil(Spoiling.ANSWERED, part, times=times)

    @property
    def is_lasting(self) -> bool:
        """Say whether all is spoiled from some request on."""
        return self.times > 1

    def calm(self) -> None:
        """Spoil nothing any more."""
        self.times = self.skip = 0

    def take(self, line: bytes) -> Spoiling | None:
        self.seen.append(line)
        if not self.times or self.part not in line:
            return None
        if self.skip:
            self.skip -= 1
            return None
        self.times -= 1
        self.is_hit = True
        return self.spoiling

    async def read_body(self, reader: asyncio.StreamReader, size_bytes: int) -> bytes:
        """Return the body of a request, as fast as the link is."""
        if self.bytes_per_second is None:
            return await reader.readexactly(size_bytes)
        body = b""
        while len(body) < size_bytes:
            piece = await reader.readexactly(min(LINK_BYTES, size_bytes - len(body)))
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + len(piece) / self.bytes_per_second
            await asyncio.sleep(self._free_at - now)
            body += piece
        return body

    async def land(self) -> None:
        """Let the gateway have what is late, one after the other, and wait for what it says."""
        while self.late:
            request = self.late.pop(0)
            reader, writer = await asyncio.open_connection(*self.gateway)
            writer.write(request)
            async with asyncio.timeout(GATEWAY_SECONDS):
                await _read_answer(reader, to_head=request.startswith(b"HEAD"))
            writer.close()


def refusing(*refused: tuple[str, str]) -> Callable[[bytes], Answer]:
    """Return what says of keys that end so that they stay, with a code each, and of all others what is so."""

    def forge(body: bytes) -> Answer:
        told = body.decode()
        for end, code in refused:
            error = rf"<Error><Key>\1</Key><Code>{code}</Code><Message>no</Message></Error>"
            told = re.sub(rf"<Deleted><Key>([^<]*{end})</Key>.*?</Deleted>", error, told)
        return b"200 OK", told.encode()

    return forge


@asynccontextmanager
async def spoiling_proxy(url: str) -> AsyncIterator[SpoilingProxy]:
    """Open a proxy before the gateway at `url`."""
    target = urlsplit(url)
    gateway = (target.hostname or "", target.port or 80)
    connections: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        proxy.open += 1
        try:
            # Whoever is cancelled is so by the end of the proxy, and the loop would report it.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                upstream = await asyncio.open_connection(*gateway)
                try:
                    await _carry(proxy, (reader, writer), upstream)
                finally:
                    upstream[1].close()
        finally:
            writer.close()
            connections.discard(task)
            proxy.open -= 1

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    proxy = SpoilingProxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", gateway)
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
            body = await proxy.read_body(client[0], _length(head))
            if spoiling in ANSWERS or spoiling is Spoiling.ANSWERED:
                told = ANSWERS.get(spoiling) or proxy.forge(body)
                await _answer(client[1], told, to_head=head.startswith(b"HEAD"))
                continue
            if spoiling is None:
                gateway[1].write(head + body)
                await gateway[1].drain()
                continue
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            await _spoil(proxy, spoiling, head + body, client, gateway)
            return
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def _spoil(proxy: SpoilingProxy, spoiling: Spoiling, request: bytes, client: Streams, gateway: Streams) -> None:
    if spoiling is Spoiling.LATE:
        proxy.late.append(request)
        await client[0].read()
        return
    gateway[1].write(request)
    await gateway[1].drain()
    match spoiling:
        case Spoiling.UNANSWERED:
            await gateway[0].read(1)
        case Spoiling.CUT:
            await _copy(gateway[0], client[1], most_bytes=proxy.after_bytes)
        case Spoiling.HALTED:
            await _copy(gateway[0], client[1], most_bytes=proxy.after_bytes)
            await client[0].read()
        case Spoiling.FORGED:
            body = await _read_answer(gateway[0], to_head=request.startswith(b"HEAD"))
            await _answer(client[1], proxy.forge(body), to_head=request.startswith(b"HEAD"))
        case _:
            await client[0].read()


async def _answer(writer: asyncio.StreamWriter, answer: Answer, *, to_head: bool) -> None:
    status, body = answer
    writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), b"" if to_head else body))
    await writer.drain()


async def _read_answer(reader: asyncio.StreamReader, *, to_head: bool) -> bytes:
    """Return the body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return await _read_answer(reader, to_head=to_head)
    if b"transfer-encoding: chunked" not in head.lower():
        return b"" if to_head else await reader.readexactly(_length(head))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most_bytes: int | None) -> None:
    copied = 0
    while chunk := await reader.read(65_536):
        copied += len(chunk)
        if most_bytes is not None and copied >= most_bytes:
            writer.write(chunk[:-1])  # all of an answer may have come at once
            await writer.drain()
            return
        writer.write(chunk)
        await writer.drain()
    writer.close()
