"""Empty jobs through the whole product, against empty entries of pgqueuer, where that can be installed."""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle, repeat
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from media_analysis.files.upload.bodies import Body
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.storage.category import Category
from scripts.benchmarks.empty import EMPTY
from scripts.benchmarks.load import Load, load
from scripts.benchmarks.queue_peer import install
from scripts.benchmarks.serving import serving
from scripts.benchmarks.stage import Stage, settle

PARTS = ["created", "rates", "turns"]
OWNER = "owner-0"
SOURCES = 256
"""As many as jobs that run at once would have; one for all would have them wait for its row."""
CALLERS = 16
LOOK_SECONDS = 0.02
CLEAR = "TRUNCATE events, job_sources; DELETE FROM analysis_jobs"
LEFT = "SELECT EXISTS (SELECT FROM analysis_jobs WHERE status IN ('pending', 'running'))"
LEFT_OF_PEER = "SELECT EXISTS (SELECT FROM pgqueuer)"
TOOK = """
    SELECT 1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - begun_at))
    FROM analysis_jobs
"""
WAITED = "SELECT extract(epoch FROM started_at - created_at) FROM analysis_jobs WHERE id = $1"
ROOT = Path(__file__).parents[2]
Fill = Callable[[int], Awaitable[None]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how many there are."""
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--children", type=int, default=60, help="how many jobs when each starts its child")
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--waiting", type=int, default=20_000, help="how many jobs of one owner wait before another's")
    parser.add_argument("--singles", type=int, default=10, help="how many of the other owner's, one after another")
    parser.add_argument("--seconds", type=float, default=5, help="for how long jobs are created in each round")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true", help="one round of 500 jobs, and no turns")


async def queue(stage: Stage, *, jobs: int, children: int, concurrency: int, rounds: int) -> dict[str, Any]:
    """Drain a full queue with one and with two worker processes, each running `concurrency` jobs at once."""
    plug_in(stage.directory / "plugins")
    sources = [await add_source(stage, number) for number in range(SOURCES)]
    counts = {"bare": 5 * jobs, "product": jobs, "confined": children}
    if not await asyncio.to_thread(install, stage.directory / "peer"):
        print("  pgqueuer, the peer, could not be installed")
        del counts["bare"]
    p99_ms: dict[int, list[float]] = {1: [], 2: []}
    enqueued: dict[str, list[float]] = {way: [] for way in counts}
    drained: dict[str, dict[int, list[float]]] = {way: {1: [], 2: []} for way in counts}
    for number in range(rounds):
        for processes in (1, 2):
            for way, count in counts.items():
                await clear(stage.url)
                fill = fill_bare(stage, count) if way == "bare" else fill_product(stage, sources, count)
                enqueued[way].append(count / await timed(fill))
                await settle(stage.url)
                async with workers(way, processes, stage, concurrency) as start:
                    drained[way][processes].append(
                        count / await timed(drain(stage.url, start, LEFT_OF_PEER if way == "bare" else LEFT))
                    )
                if way == "product":
                    p99_ms[processes].append(await ask(stage.url, TOOK))
            rates = ", ".join(f"{way} {drained[way][processes][-1]:,.0f}/s" for way in counts)
            print(f"  round {number + 1}, {processes} worker(s): {rates}")
        await require_ended(stage)
    return summary(enqueued, drained, p99_ms) | {"concurrency": concurrency, "absent": absent(counts)}


def absent(counts: Mapping[str, int]) -> str:
    return "none" if "bare" in counts else "pgqueuer"


async def created(stage: Stage, *, seconds: float, rounds: int) -> dict[str, Any]:
    """Create jobs over HTTP from several callers at once, beside what the same service answers without a database."""
    sources = [await add_source(stage, number) for number in range(SOURCES)]
    runs: dict[str, list[Load]] = {"jobs": [], "healthz": []}
    spent_ms: dict[str, list[float]] = {name: [] for name in runs}
    async with serving(stage, OWNER) as service:
        bodies = [json.dumps({"name": "n", "kind": "probe", "source_file_ids": [str(one)]}).encode() for one in sources]
        about = ("POST", "/jobs", "Content-Type: application/json")
        requests = {
            "jobs": cycle([service.request(*about, body=body) for body in bodies]),
            "healthz": repeat(service.request("GET", "", path="/healthz")),
        }
        for _round in range(rounds):
            await clear(stage.url)
            for name, asked in requests.items():
                before = service.processor_seconds
                runs[name].append(await load(service.port, asked, callers=CALLERS, seconds=seconds))
                spent_ms[name].append(1000 * (service.processor_seconds - before) / len(runs[name][-1].spent))
            told = (f"{name} {runs[name][-1].per_second:,.0f}/s ({ms[-1]:.2f} ms)" for name, ms in spent_ms.items())
            print("  created, and what each takes of the service's processor time: " + "; ".join(told))
    return {
        "per_second": {name: statistics.median(one.per_second for one in loads) for name, loads in runs.items()},
        "p99_ms": {name: statistics.median(one.p99_ms for one in loads) for name, loads in runs.items()},
        "processor_ms": {name: statistics.median(spent) for name, spent in spent_ms.items()},
        "ratio_to_healthz": statistics.median(
            mine.per_second / bare.per_second for mine, bare in zip(runs["jobs"], runs["healthz"], strict=True)
        ),
    }


async def turns(stage: Stage, *, waiting: int, singles: int, concurrency: int) -> dict[str, Any]:
    """Say how long a job of one owner waits, in seconds, while thousands of another's do, with one worker process."""
    plug_in(stage.directory / "plugins")
    sources = [await add_source(stage, number) for number in range(SOURCES)]
    single = await add_source(stage, SOURCES, owner="owner-1")
    await fill_product(stage, sources, waiting)
    await settle(stage.url)
    waits = []
    async with workers("product", 1, stage, concurrency) as start:
        start()
        for _ in range(singles):
            await asyncio.sleep(1)
            asked = NewJob(owner="owner-1", name="bench", kind=EMPTY, source_file_ids=[single])
            waits.append(await started_after(stage.url, (await stage.runtime.jobs.control.create(asked)).id))
    return {"waiting": waiting, "median_seconds": statistics.median(waits), "longest_seconds": max(waits)}


async def started_after(url: str, job_id: UUID) -> float:
    """Return how long after its creation a job was begun, once it was."""
    connection = await asyncpg.connect(url)
    try:
        while (wait := await connection.fetchval(WAITED, job_id)) is None:  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await connection.close()
    return float(wait)


def summary(
    enqueued: dict[str, list[float]], drained: dict[str, dict[int, list[float]]], p99_ms: dict[int, list[float]]
) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "created_per_second": {way: statistics.median(rates) for way, rates in enqueued.items() if way != "confined"}
    }
    for processes, name in ((1, "one_worker"), (2, "two_workers")):
        rates = {way: statistics.median(runs[processes]) for way, runs in drained.items()}
        figures[name] = {"jobs_per_second": rates, "p99_ms": statistics.median(p99_ms[processes])}
        if "bare" in rates:
            figures[name]["ratio_to_bare"] = ratio(drained["product"][processes], drained["bare"][processes])
            figures[name]["ratio_to_bare_confined"] = ratio(drained["confined"][processes], drained["bare"][processes])
    figures["two_workers_to_one"] = ratio(drained["product"][2], drained["product"][1])
    return figures


def ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of what each rate is of the other's in its round."""
    return statistics.median(mine / theirs for mine, theirs in zip(rates, others, strict=True))


def plug_in(folder: Path) -> None:
    """Install the empty kind for processes started with this folder on their path."""
    metadata = folder / "empty-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: empty\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[media_analysis.kinds]\n{EMPTY} = scripts.benchmarks.empty:KIND\n")


async def add_source(stage: Stage, number: int, *, owner: str = OWNER) -> UUID:
    async def content() -> Body:
        yield b"a source"

    asked = Upload(owner=owner, category=Category.UPLOADS, filename=f"{number}.bin")
    return (await stage.runtime.files.uploads.store_file(asked, content())).id


async def fill_bare(stage: Stage, count: int) -> None:
    """Let the peer fill its queue."""
    command = (sys.executable, "-m", "scripts.benchmarks.queue_peer", "fill", stage.url, str(count))
    filling = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment(str(stage.directory / "peer")))
    if await filling.wait():
        raise SystemExit("the peer could not fill its queue")


async def fill_product(stage: Stage, sources: Sequence[UUID], count: int) -> None:
    """Create jobs one by one, from several callers at once, as a service does."""

    async def call(first: int) -> None:
        for number in range(first, count, CALLERS):
            source = sources[number % len(sources)]
            await stage.runtime.jobs.control.create(
                NewJob(owner=OWNER, name="bench", kind=EMPTY, source_file_ids=[source])
            )

    await asyncio.gather(*(call(first) for first in range(CALLERS)))


@asynccontextmanager
async def workers(way: str, processes: int, stage: Stage, concurrency: int) -> AsyncIterator[Callable[[], None]]:
    """Open worker processes; what is yielded has all of them begin."""
    importable = str(stage.directory / ("peer" if way == "bare" else "plugins"))
    run = ["queue_peer", "work"] if way == "bare" else ["queue_worker", way, str(stage.directory)]
    command = [sys.executable, "-m", f"scripts.benchmarks.{run[0]}", *run[1:], stage.url]
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(process(*command, str(concurrency), importable=importable))
            for _ in range(processes)
        ]

        def start() -> None:
            for one in started:
                if one.stdin is not None:
                    one.stdin.write(b"\n")

        yield start


@asynccontextmanager
async def process(*command: str, importable: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process, wait until it is ready, and end it with the block."""
    started = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=environment(importable),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if started.stdout is None or await started.stdout.readline() != b"ready\n":
            raise SystemExit("a worker did not start")
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGKILL)
        await started.wait()


def environment(importable: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([importable, str(ROOT)])}


async def drain(url: str, start: Callable[[], None], left: str) -> None:
    """Return as soon as nothing is left."""
    connection = await asyncpg.connect(url)
    try:
        start()
        while await connection.fetchval(left):  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await connection.close()


async def timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def clear(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(CLEAR)
    finally:
        await connection.close()


async def ask(url: str, question: str) -> float:
    connection = await asyncpg.connect(url)
    try:
        return float(await connection.fetchval(question))
    finally:
        await connection.close()


async def require_ended(stage: Stage) -> None:
    """Stop unless every job completed at its first attempt."""
    connection = await asyncpg.connect(stage.url)
    try:
        strange = await connection.fetchval(
            "SELECT count(*) FROM analysis_jobs WHERE status <> 'completed' OR attempts <> 1"
        )
    finally:
        await connection.close()
    if strange:
        raise SystemExit(f"{strange} jobs did not complete at once at {stage.url}")
