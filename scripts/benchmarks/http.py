"""Uploads, reads, lists and downloads over HTTP, beside FastAPI bare, nginx and @tus/server, all durable but theirs."""

import argparse
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle, repeat
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.http_peers import naive_service, nginx, tus_server
from scripts.benchmarks.load import Load, load, request
from scripts.benchmarks.serving import Service, serving
from scripts.benchmarks.stage import Stage, add_rows, new_keys, settle

KIB: Final = 1024
LARGE_BYTES: Final = 256 * 2**20
RESUMABLE_BYTES: Final = 2**30
READ_FILES: Final = 200
LISTED: Final = 50
OWNER: Final = "owner-0"
"""Whose token reads: one of sixteen whose files the lists are of."""


@dataclass(frozen=True)
class Size:
    """How much is asked."""

    rounds: int
    seconds: float
    rows: int
    processes: int = 1


@dataclass
class Peers:
    """Which peers there are, and what each got done: rate and p99 by work and peer, a value a round."""

    service: Service
    several: Service | None
    """The same with several processes."""
    naive: int
    nginx: tuple[int, Path] | None
    tus: int | None
    loads: dict[str, dict[str, list[Load]]] = field(default_factory=dict)
    processor_ms: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """What a request took of the processor's time in the service, which other work on the machine disturbs least."""

    async def race(
        self, work: str, ways: Mapping[str, tuple[int, Iterator[bytes]] | None], callers: int, size: Size
    ) -> None:
        """Let each peer that is there work for itself, one after another."""
        if self.several is not None and (ours := ways["ours"]) is not None:
            # Both are of one stage: a token is good for both, and what one stored the other reads.
            ways = {"ours": ours, "several": (self.several.port, ours[1]), **ways}
        for name, way in ways.items():
            if way is not None:
                port, requests = way
                service = next((one for one in (self.service, self.several) if one and one.port == port), None)
                before = 0.0 if service is None else service.processor_seconds
                done = await load(port, requests, callers=callers, seconds=size.seconds)
                if service is not None:
                    spent = 1000 * (service.processor_seconds - before) / len(done.spent)
                    self.processor_ms.setdefault(work, {}).setdefault(name, []).append(spent)
                self.loads.setdefault(work, {}).setdefault(name, []).append(done)
        told = ", ".join(f"{name} {runs[-1].per_second:,.0f}/s" for name, runs in self.loads[work].items())
        print(f"  {work}: {told}")

    def figures(self) -> dict[str, Any]:
        """Return medians, and what each rate of ours is of each peer's in the same round."""
        found: dict[str, Any] = {}
        for work, by_peer in self.loads.items():
            ours = by_peer["ours"]
            found[work] = {
                **{
                    f"{name} per second": statistics.median(run.per_second for run in runs)
                    for name, runs in by_peer.items()
                },
                **{f"{name} processor ms": statistics.median(spent) for name, spent in self.processor_ms[work].items()},
                **{f"{name} p99 ms": statistics.median(run.p99_ms for run in runs) for name, runs in by_peer.items()},
                **{
                    f"ours to {name}": statistics.median(
                        mine.per_second / theirs.per_second for mine, theirs in zip(ours, runs, strict=True)
                    )
                    for name, runs in by_peer.items()
                    if name != "ours"
                },
            }
        return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how much is asked."""
    parser.add_argument("--seconds", type=float, default=5, help="how long each peer is asked in each round")
    parser.add_argument("--rows", type=int, default=1_000_000, help="among how many files lists are made")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--processes", type=int, default=1, help="also beside a service of so many, where above 1")
    parser.add_argument("--quick", action="store_true", help="one short round among 20,000 files")


async def http(stage: Stage, size: Size, parts: list[str]) -> dict[str, Any]:
    """Measure each part, the peers in turn in each round; peers that are not installed are named."""
    several = serving(stage, OWNER, processes=size.processes)
    async with AsyncExitStack() as running:
        peers = Peers(
            await running.enter_async_context(serving(stage, OWNER)),
            None if size.processes == 1 else await running.enter_async_context(several),
            await running.enter_async_context(naive_service(stage.url)),
            await running.enter_async_context(nginx(stage.directory / "nginx")),
            await running.enter_async_context(tus_server(stage.directory / "tus")),
        )
        absent = [name for name, there in (("nginx", peers.nginx), ("@tus/server", peers.tus)) if there is None]
        for part in parts:
            await PARTS[part](stage, peers, size)
        return {"absent": ", ".join(absent) or "none", **peers.figures()}


async def uploads(_: Stage, peers: Peers, size: Size) -> None:
    """Small uploads: ours with row, ledger and fsync, theirs with none of these."""
    for length, callers in ((4 * KIB, 1), (4 * KIB, 16), (4 * KIB, 64), (KIB * KIB, 8)):
        work = f"upload {length // KIB} KiB, {callers} callers"
        for _round in range(size.rounds):
            await peers.race(work, upload_ways(peers, os.urandom(length)), callers, size)


def upload_ways(peers: Peers, body: bytes) -> dict[str, tuple[int, Iterator[bytes]] | None]:
    ours = peers.service.request("POST", "/files?category=temp&filename=a.bin", body=body)
    return {
        "ours": (peers.service.port, repeat(ours)),
        "tus": None
        if peers.tus is None
        else (peers.tus, repeat(request("POST", "/files", *_created(body), body=body))),
        "nginx": None if peers.nginx is None else (peers.nginx[0], _puts(body)),
    }


def _created(body: bytes) -> list[str]:
    """Return what tus says of an upload that is created with its bytes."""
    kind = "Content-Type: application/offset+octet-stream"
    return ["Tus-Resumable: 1.0.0", f"Upload-Length: {len(body)}", kind]


def _puts(body: bytes) -> Iterator[bytes]:
    for number in iter(time.monotonic_ns, None):
        yield request("PUT", f"/{number}", body=body)


async def reads(stage: Stage, peers: Peers, size: Size) -> None:
    """Documents and small contents, beside what costs no database."""
    service, body = peers.service, os.urandom(4 * KIB)
    ids = [await service.store(body) for _ in range(READ_FILES)]
    if peers.nginx is not None:
        (peers.nginx[1] / "small").write_bytes(body)
    await settle(stage.url)
    healthz = service.request("GET", "", path="/healthz")
    ways = {
        "read a document, 16 callers": (cycle([service.request("GET", f"/files/{one}") for one in ids]), None),
        "read 4 KiB, 16 callers": (
            cycle([service.request("GET", f"/files/{one}/content") for one in ids]),
            None if peers.nginx is None else (peers.nginx[0], repeat(request("GET", "/small"))),
        ),
    }
    for _round in range(size.rounds):
        for work, (ours, theirs) in ways.items():
            named = {
                "ours": (service.port, ours),
                "healthz": (service.port, repeat(healthz)),
                "constant": (peers.naive, repeat(request("GET", "/constant"))),
                "nginx": theirs,
            }
            await peers.race(work, named, 16, size)


async def lists(stage: Stage, peers: Peers, size: Size) -> None:
    """The newest 50 files of an owner among many."""
    await add_rows(stage.url, new_keys(size.rows), due_from=datetime.now(UTC) + timedelta(days=300))
    await settle(stage.url)
    service = peers.service
    ways: dict[str, tuple[int, Iterator[bytes]] | None] = {
        "ours": (service.port, repeat(service.request("GET", f"/files?limit={LISTED}"))),
        "orm": (peers.naive, repeat(request("GET", f"/files?owner={OWNER}"))),
        "healthz": (service.port, repeat(service.request("GET", "", path="/healthz"))),
        "constant": (peers.naive, repeat(request("GET", "/constant"))),
    }
    for _round in range(size.rounds):
        await peers.race(f"list of {LISTED} at {size.rows:,} rows, 8 callers", ways, 8, size)


async def large(_: Stage, peers: Peers, size: Size) -> None:
    """One body of 256 MiB, in and out."""
    body = os.urandom(2**20) * (LARGE_BYTES // 2**20)
    ways = upload_ways(peers, body)
    once = Size(size.rounds, 0, size.rows)
    for _round in range(size.rounds):
        await peers.race("upload 256 MiB", ways, 1, once)
    stored = await peers.service.store(body)
    theirs = None
    if peers.nginx is not None:
        (peers.nginx[1] / "large").write_bytes(body)
        theirs = (peers.nginx[0], repeat(request("GET", "/large")))
    ours = repeat(peers.service.request("GET", f"/files/{stored}/content"))
    for _round in range(size.rounds):
        await peers.race("download 256 MiB", {"ours": (peers.service.port, ours), "nginx": theirs}, 1, once)


async def resumable(_: Stage, peers: Peers, size: Size) -> None:
    """One body of 1 GiB by the protocol of @tus/server."""
    body = os.urandom(2**20) * (RESUMABLE_BYTES // 2**20)
    created = peers.service.request("POST", "/uploads", *_created(body), body=body)
    ways = upload_ways(peers, body) | {"ours": (peers.service.port, repeat(created))}
    for _round in range(size.rounds):
        await peers.race("resumable upload of 1 GiB", ways, 1, Size(size.rounds, 0, size.rows))


Part = Callable[[Stage, Peers, Size], Awaitable[None]]
PARTS: Final[Mapping[str, Part]] = {part.__name__: part for part in (uploads, reads, lists, large, resumable)}
