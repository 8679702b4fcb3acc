"""How long small requests wait while the service sweeps, analyses a film or takes a large body, beside nothing else."""

import argparse
import asyncio
import http.client
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from media_analysis.sessions.models import Role
from scripts.benchmarks.analyze import make_video
from scripts.benchmarks.serving import Service, serving
from scripts.benchmarks.stage import ENVIRONMENT, Stage, add_rows, make_tree, new_keys, settle

CALLERS: Final = 4
PAUSE_SECONDS: Final = 0.01
"""Between two requests of a caller: what waits is to be seen, not how much there can be."""
BODY: Final = os.urandom(4096)
OWNER: Final = "good"
MIB: Final = 2**20


@dataclass(frozen=True)
class Size:
    """How much the service does beside."""

    rounds: int
    seconds: float
    """How long the requests are measured without it."""
    due: int
    video_seconds: int
    upload_bytes: int


@dataclass
class Waits:
    """Seconds that requests took, by what they were."""

    gets: list[float] = field(default_factory=list)
    uploads: list[float] = field(default_factory=list)

    def p99_ms(self) -> dict[str, float]:
        return {"GET p99 ms": _p99_ms(self.gets), "upload p99 ms": _p99_ms(self.uploads)}


def _p99_ms(seconds: list[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[98]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how much is asked."""
    parser.add_argument("--seconds", type=float, default=5, help="how long requests are measured alone")
    parser.add_argument("--files", type=int, default=100_000, help="how many files are swept")
    parser.add_argument("--video-seconds", type=int, default=60)
    parser.add_argument("--bytes", type=int, default=2**30, help="how long the large body is")
    parser.add_argument("--processes", type=int, default=1, help="how many answer")
    parser.add_argument("--quick", action="store_true", help="one short round of little work")


async def interference(stage: Stage, size: Size, processes: int) -> dict[str, Any]:
    """Measure small requests alone and beside each kind of work, in turn."""
    found: dict[str, list[dict[str, float]]] = {}
    async with serving(stage, OWNER, processes=processes, **ENVIRONMENT, WORKER_ENABLED="true") as service:
        small = await service.store(BODY)
        film = stage.directory / "film.mp4"
        await asyncio.to_thread(make_video, film, size.video_seconds)
        await measured(service, small, lambda: asyncio.sleep(1))  # warm
        works = {"sweep": sweep, "analysis": analysis, "large upload": large_upload}
        for _round in range(size.rounds):
            for name, prepare in works.items():
                work = await prepare(stage, service, size)
                alone = await measured(service, small, lambda: asyncio.sleep(size.seconds))
                beside = await measured(service, small, work)
                told = {f"alone {what}": one for what, one in alone.items()} | beside
                told |= {f"{what.removesuffix(' p99 ms')} to alone": beside[what] / alone[what] for what in alone}
                found.setdefault(name, []).append(told)
                print(f"  {name}: " + ", ".join(f"{what} {one:.1f}" for what, one in told.items()))
    return {
        name: {what: statistics.median(round_[what] for round_ in rounds) for what in rounds[0]}
        for name, rounds in found.items()
    }


async def measured(service: Service, small: str, work: Callable[[], Awaitable[object]]) -> dict[str, float]:
    """Return what requests wait while the service works, as 99 of 100 do."""
    waits, over = Waits(), asyncio.Event()
    asking = [asyncio.create_task(ask(service, small, waits, over)) for _ in range(CALLERS)]
    await work()
    over.set()
    await asyncio.gather(*asking)
    return waits.p99_ms()


async def ask(service: Service, small: str, waits: Waits, over: asyncio.Event) -> None:
    """Read and store 4 KiB by turns, over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    get = service.request("GET", f"/files/{small}/content")
    upload = service.request("POST", "/files?category=temp&filename=a", body=BODY)
    while not over.is_set():
        for request, spent in ((get, waits.gets), (upload, waits.uploads)):
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 20"):
                raise SystemExit(f"a small request was answered {head.decode('latin-1')}")
            length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            spent.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)
    writer.close()


Work = Callable[[], Awaitable[object]]


async def sweep(stage: Stage, service: Service, size: Size) -> Work:
    """Return what sweeps many files that are due."""
    made = new_keys(size.due)
    await asyncio.to_thread(make_tree, stage.runtime.settings.store_path, [key for _, key in made])
    await add_rows(stage.url, made, due_from=datetime.now(UTC) - timedelta(days=2))
    await settle(stage.url)
    _, administrator = await stage.runtime.sessions.create(owner="root", role=Role.ADMIN, ttl=timedelta(hours=1))

    async def work() -> None:
        async with _client(service, administrator) as client:
            answer = await client.post("/storage/cleanup", params={"dry_run": "false", "category": "uploads"})
        if answer.raise_for_status().json()["total_files_removed"] != size.due:
            raise SystemExit(f"the sweep ended so: {answer.text}")

    return work


async def analysis(stage: Stage, service: Service, _: Size) -> Work:
    """Return what analyses a film."""
    film = stage.directory / "film.mp4"
    async with _client(service, service.token) as client:
        content = await asyncio.to_thread(film.read_bytes)
        stored = await client.post("/files", params={"category": "outputs", "filename": "a.mp4"}, content=content)
    job = {"name": "bench", "kind": "analyze", "source_file_ids": [stored.raise_for_status().json()["id"]]}

    async def work() -> None:
        async with _client(service, service.token) as client:
            place = (await client.post("/jobs", json=job)).raise_for_status().headers["location"]
            status = "waiting"
            while status not in {"completed", "failed", "cancelled"}:
                await asyncio.sleep(0.2)
                status = (await client.get(service.url + place)).raise_for_status().json()["status"]
        if status != "completed":
            raise SystemExit(f"the analysis {status}")

    return work


async def large_upload(_: Stage, service: Service, size: Size) -> Work:
    """Return what sends a large body, from a process of its own."""

    async def work() -> None:
        command = (sys.executable, "-m", __name__, str(service.port), service.token, str(size.upload_bytes))
        sending = await asyncio.create_subprocess_exec(*command)
        if await sending.wait():
            raise SystemExit("the large upload failed")

    return work


@asynccontextmanager
async def _client(service: Service, token: str) -> AsyncIterator[httpx.AsyncClient]:
    headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{service.url}/api/v1", headers=headers, timeout=300) as client:
        yield client


def send(port: int, token: str, size_bytes: int) -> None:
    """Send a body as a client would that has it on disk."""
    piece, path = os.urandom(MIB), "/api/v1/files?category=uploads&filename=a"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token}", "Content-Length": str(size_bytes)}
    connection.request("POST", path, (piece for _ in range(size_bytes // MIB)), headers)
    status = connection.getresponse().status
    sys.exit(status != http.client.CREATED)


if __name__ == "__main__":
    send(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
