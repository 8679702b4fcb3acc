"""Probing a film and a picture in a confined child, against the same decoder and the same probe without walls."""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
from PIL import Image

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import Assignment
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.task import Source
from media_analysis.media.options import Limits
from media_analysis.media.probe import probe as probe_in_process
from scripts.benchmarks.analyze import make_video

FILM_SECONDS = 5
PAUSE_SECONDS = 0.002
"""Between two probes, so that what one leaves to be tidied up is not the next one's."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how often."""
    parser.add_argument("--probes", type=int, default=100, help="how often each file is probed in each round")
    parser.add_argument("--quick", action="store_true", help="one round of 20")


async def probe(directory: Path, *, probes: int, rounds: int) -> dict[str, Any]:
    """Probe each file one time after another; every round warms each way up before it measures it."""
    film, picture = directory / "film.mp4", directory / "picture.png"
    await asyncio.to_thread(make_video, film, FILM_SECONDS)
    Image.effect_noise((1_280, 720), 50).save(picture)
    fork_server = ForkServer()
    try:
        return {path.stem: await race(fork_server, path, probes=probes, rounds=rounds) for path in (film, picture)}
    finally:
        await fork_server.aclose()


async def race(fork_server: ForkServer, path: Path, *, probes: int, rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"confined": [], "probe": [], "decoder": []}
    for _ in range(rounds):
        await confined(fork_server, path)
        for _ in range(probes):
            began = time.perf_counter()
            await confined(fork_server, path)
            seconds["confined"].append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)
        for name, work in (("probe", lambda: probe_in_process(path, Limits())), ("decoder", lambda: look(path))):
            work()
            for _ in range(probes):
                began = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    return {
        "median_milliseconds": {name: 1e3 * median for name, median in medians.items()},
        "p99_milliseconds": {name: 1e3 * percentile(each) for name, each in seconds.items()},
        "ratio_to_probe": medians["confined"] / medians["probe"],
        "ratio_to_decoder": medians["confined"] / medians["decoder"],
    }


async def confined(fork_server: ForkServer, path: Path) -> None:
    """Probe a file as a job does, from the order to the child's end."""
    source = Source(
        position=0,
        file_id=uuid4(),
        path=path,
        filename=path.name,
        media_type="application/octet-stream",
        size_bytes=0,
    )
    assignment = Assignment(kind="probe", sources=[source], parameters={})
    async with run_task(assignment, confinement=Confinement(), fork_server=fork_server) as messages:
        async for _ in messages:
            pass


def look(path: Path) -> None:
    """Open a file with the bare decoder, and decode its first picture."""
    with av.open(str(path)) as container:
        next(container.decode(video=0))


def percentile(seconds: Sequence[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(0.99 * len(seconds)))]
