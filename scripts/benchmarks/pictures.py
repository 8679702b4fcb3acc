"""Pictures of a film in 1080p over HTTP, cold and warm, against ffmpeg that seeks; and a page of thumbnails."""

import argparse
import asyncio
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from scripts.benchmarks.analyze import make_video
from scripts.benchmarks.serving import Service, serving
from scripts.benchmarks.stage import Stage

OWNER = "bench"
WIDTH = 320
PAGE = 60
"""Thumbnails of a page, six at a time, as a browser asks."""
CONNECTIONS = 6


class Size(NamedTuple):
    """How long the film is, and how often it is asked for pictures."""

    video_seconds: int
    instants: int
    rounds: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say so."""
    parser.add_argument("--video-seconds", type=int, default=60)
    parser.add_argument("--instants", type=int, default=30, help="how many in each round")


async def pictures(stage: Stage, size: Size) -> dict[str, Any]:
    """Ask for frames at random instants, in turn with ffmpeg; each round at others, so that each is cold once."""
    film = stage.directory / "film.mp4"
    await asyncio.to_thread(make_video, film, size.video_seconds)
    async with serving(stage, OWNER) as service:
        content = await asyncio.to_thread(film.read_bytes)
        limits = httpx.Limits(max_connections=CONNECTIONS)
        headers = {"Authorization": f"Bearer {service.token}"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=120, limits=limits) as client:
            bench = _Bench(client, film, await service.store(content), random.Random(1))
            await bench.frame(0.0)
            names = ("exact", "exact_ffmpeg", "keyframe", "keyframe_ffmpeg", "warm")
            seconds: dict[str, list[float]] = {name: [] for name in names}
            for _ in range(size.rounds * size.instants):
                await bench.race(seconds, round(bench.chance.uniform(0, size.video_seconds - 0.1), 3))
            found = {name: _told(each) for name, each in seconds.items() if name in names}
            for way in ("exact", "keyframe"):
                found[way]["p95_ratio"] = found[way]["p95_milliseconds"] / found[f"{way}_ffmpeg"]["p95_milliseconds"]
            return found | {"page": await _page(service, client, content)}


class _Bench:
    """One film, the service's and that beside it."""

    def __init__(self, client: httpx.AsyncClient, film: Path, file_id: str, chance: random.Random) -> None:
        self.client, self.film, self.file_id, self.chance = client, film, file_id, chance
        self.program = shutil.which("ffmpeg") or "ffmpeg"

    async def race(self, seconds: dict[str, list[float]], instant: float) -> None:
        for name, work in (
            ("exact", self.frame(instant)),
            ("exact_ffmpeg", self.peer(instant)),
            ("keyframe", self.frame(instant, exact=False)),
            ("keyframe_ffmpeg", self.peer(instant, "-noaccurate_seek")),
            ("kept", asyncio.sleep(0.1)),
            ("warm", self.frame(instant)),
        ):
            seconds.setdefault(name, []).append(await _timed(work))

    async def frame(self, instant: float, *, exact: bool = True) -> None:
        asked = {"t": instant, "width": WIDTH, "exact": exact}
        (await self.client.get(f"/api/v1/files/{self.file_id}/frame", params=asked)).raise_for_status()

    async def peer(self, instant: float, *options: str) -> None:
        """Write the same picture with ffmpeg, from its start to its end."""
        before = (self.program, "-nostdin", "-v", "error", *options, "-ss", str(instant), "-i", str(self.film))
        behind = ("-frames:v", "1", "-vf", f"scale={WIDTH}:-2", "-y", str(self.film.with_name("peer.jpg")))
        await asyncio.to_thread(subprocess.run, [*before, *behind], check=True)


async def _page(service: Service, client: httpx.AsyncClient, content: bytes) -> dict[str, float]:
    ids = [await service.store(content) for _ in range(PAGE)]

    async def ask() -> None:
        asked = (client.get(f"/api/v1/files/{file_id}/thumbnail", params={"width": WIDTH}) for file_id in ids)
        for answer in await asyncio.gather(*asked):
            answer.raise_for_status()

    cold = await _timed(ask())
    await asyncio.sleep(1)
    return {"cold_seconds": cold, "warm_seconds": await _timed(ask())}


async def _timed(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _told(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"median_milliseconds": 1e3 * statistics.median(ordered), "p95_milliseconds": 1e3 * p95}
