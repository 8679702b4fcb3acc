"""Good clients beside thousands that are silent or slow: how long the good ones wait, what the others cost."""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scripts.benchmarks.serving import Service, new_token, serving
from scripts.benchmarks.stage import Stage

GOOD: Final = 4
BODY: Final = bytes(4096)
LARGE: Final = bytes(4 * 2**20)
QUIET_SECONDS: Final = 0.1
CLOSED_SECONDS: Final = 20
"""After a while longer than a head may take, how many are still there."""


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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how many there are."""
    parser.add_argument("--strangers", type=int, default=5_000, help="how many clients that are silent or slow")
    parser.add_argument("--seconds", type=float, default=5)


async def crowd(stage: Stage, *, strangers: int, seconds: float) -> dict[str, Any]:
    """Let good clients read and store 4 KiB, alone and beside each kind of crowd."""
    async with serving(stage, "good") as service:
        stranger = replace(service, token=await new_token(stage, "stranger"))
        crowds = crowds_of(stranger, await stranger.store(LARGE))
        await measured(service, seconds)  # warm
        found: dict[str, Any] = {"alone": await measured(service, seconds)}
        for name, make in crowds.items():
            found[name] = await beside(service, make(), strangers, seconds)
            print(f"  {name}: {found[name]}")
    return {"strangers": strangers, **found}


def crowds_of(stranger: Service, large: str) -> dict[str, Callable[[], Crowd]]:
    half = b"GET /api/v1/files HTTP/1.1\r\nHost: a\r\nX-Half: "
    upload = stranger.request("POST", "/files?category=temp&filename=a", body=bytes(100_000))[:-100_000]
    download = stranger.request("GET", f"/files/{large}/content")
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
        writer.write(service.request("GET", "/files?limit=1"))
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
    upload = service.request("POST", "/files?category=temp&filename=a", body=BODY)
    asked = (service.request("GET", "/files?limit=1"), upload)
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
