"""Good clients beside thousands that are silent or slow: how long the good ones wait, what the others cost."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from media_analysis.sessions.models import Role
from scripts.benchmarks.stage import Stage

GOOD: Final = 4
BODY: Final = bytes(4096)
LARGE: Final = bytes(4 * 2**20)
QUIET_SECONDS: Final = 0.1
CLOSED_SECONDS: Final = 20
"""After a while longer than a head may take, how many are still there."""


@dataclass(frozen=True)
class Service:
    """A service under load; `stranger` is the token of whoever crowds it."""

    port: int
    pid: int
    token: str
    stranger: str
    large: str

    def head(self, method: str, path: str, token: str, *lines: str) -> bytes:
        told = (f"{method} /api/v1/files{path} HTTP/1.1", "Host: a", f"Authorization: Bearer {token}", *lines, "", "")
        return "\r\n".join(told).encode()

    @property
    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Crowd:
    """Connections that say a beginning, then a byte a second if they trickle, and take answers if they read."""

    beginning: bytes
    trickles: bool = False
    reads: bool = True
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    ended: int = 0

    async def open(self, port: int, count: int) -> None:
        for start in range(0, count, 100):
            await asyncio.gather(*(self._enter(port) for _ in range(min(100, count - start))))

    async def _enter(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**12)
        writer.write(self.beginning)
        self.writers.append(writer)
        if self.reads:
            self.readers.append(asyncio.create_task(self._read(reader)))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while await reader.read(2**12):
                pass
        except OSError:
            pass
        self.ended += 1

    async def trickle(self) -> None:
        while self.trickles:
            await asyncio.sleep(1)
            for writer in self.writers:
                writer.write(b"x")

    def leave(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


async def crowd(stage: Stage, *, strangers: int, seconds: float) -> dict[str, Any]:
    """Let good clients read and store 4 KiB, alone and beside each kind of crowd."""
    async with serving(stage) as service:
        crowds = crowds_of(service)
        await measured(service, seconds)  # warm
        found: dict[str, Any] = {"alone": await measured(service, seconds)}
        for name, make in crowds.items():
            found[name] = await beside(service, make(), strangers, seconds)
            print(f"  {name}: {found[name]}")
    return {"strangers": strangers, **found}


def crowds_of(service: Service) -> dict[str, Callable[[], Crowd]]:
    half = b"GET /api/v1/files HTTP/1.1\r\nHost: a\r\nX-Half: "
    upload = service.head("POST", "?category=temp&filename=a", service.stranger, "Content-Length: 100000")
    download = service.head("GET", f"/{service.large}/content", service.stranger)
    return {
        "silent": lambda: Crowd(b""),
        "half heads": lambda: Crowd(half),
        "half heads of 60 KiB": lambda: Crowd(half + b"x" * 60_000),
        "trickled heads": lambda: Crowd(half, trickles=True),
        "trickled uploads": lambda: Crowd(upload, trickles=True),
        "downloads nobody reads": lambda: Crowd(download, reads=False),
    }


async def beside(service: Service, strangers: Crowd, count: int, seconds: float) -> dict[str, float]:
    before = service.resident_bytes
    trickling = asyncio.create_task(strangers.trickle())
    try:
        began = time.perf_counter()
        await strangers.open(service.port, count)
        await settled(service)
        figures = await measured(service, seconds)
        grown = service.resident_bytes - before
        await asyncio.sleep(max(0, CLOSED_SECONDS - (time.perf_counter() - began)))
        return {**figures, "grown_mib": grown / 2**20, "closed": float(strangers.ended)}
    finally:
        trickling.cancel()
        strangers.leave()
        await asyncio.sleep(2)


async def settled(service: Service) -> None:
    """Wait until the service has answered what it can.

    That many requests at once are another matter than that many slow clients.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    spent = 1.0
    while spent > QUIET_SECONDS:
        began = time.perf_counter()
        writer.write(service.head("GET", "?limit=1", service.token))
        await answered(reader)
        spent = time.perf_counter() - began
    writer.close()


async def measured(service: Service, seconds: float) -> dict[str, float]:
    """Return milliseconds of good requests."""
    spent: list[float] = []
    ends = time.perf_counter() + seconds
    await asyncio.gather(*(good(service, ends, spent) for _ in range(GOOD)))
    cuts = statistics.quantiles(spent, n=100)
    return {"requests": float(len(spent)), "median_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98]}


async def good(service: Service, ends: float, spent: list[float]) -> None:
    """Read a list and store a file by turns, over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    upload = service.head("POST", "?category=temp&filename=a", service.token, f"Content-Length: {len(BODY)}") + BODY
    asked = (service.head("GET", "?limit=1", service.token), upload)
    while time.perf_counter() < ends:
        for request in asked:
            began = time.perf_counter()
            writer.write(request)
            await answered(reader)
            spent.append(time.perf_counter() - began)
    writer.close()


async def answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 20"):
        raise SystemExit(f"a good client was answered {head.decode()}")
    length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))


@asynccontextmanager
async def serving(stage: Stage) -> AsyncIterator[Service]:
    """Run the service in a process of its own."""
    good_token, stranger = [await token(stage, owner) for owner in ("good", "stranger")]
    directory = stage.runtime.settings.data_dir
    command = (sys.executable, "-m", "media_analysis", "serve", "--port", "0", "--data-dir", str(directory))
    environment = os.environ | {"DATABASE_URL": stage.url, "WORKER_ENABLED": "false", "LOG_LEVEL": "ERROR"}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        url = await ready(directory / "address")
        port = int(url.rpartition(":")[2])
        yield Service(port, process.pid, good_token, stranger, await store_large(url, stranger))
    finally:
        process.terminate()
        await process.wait()


async def token(stage: Stage, owner: str) -> str:
    _, made = await stage.runtime.sessions.create(owner=owner, role=Role.USER, ttl=timedelta(hours=1))
    return made


async def ready(address: Path) -> str:
    """Return where the service answers, as soon as it does."""
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            await asyncio.sleep(0.1)
            with suppress(OSError, httpx.TransportError):
                url = (await asyncio.to_thread(address.read_text)).strip()
                await client.get(f"{url}/healthz")
                return url


async def store_large(url: str, owner_token: str) -> str:
    """Store a file that does not fit into the buffers of a connection; return its id."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {owner_token}"}) as client:
        answer = await client.post(f"{url}/api/v1/files?category=temp&filename=large", content=LARGE)
    return str(answer.raise_for_status().json()["id"])
