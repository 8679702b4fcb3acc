"""What the log of events costs those who make them: uploads and a sweep, against the same without its triggers."""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg

from media_analysis.files.upload.service import Upload
from media_analysis.storage.category import Category
from scripts.benchmarks.stage import OWNERS, Stage, timed
from scripts.benchmarks.sweep import backend_seconds, prepare_due, sweep

TRIGGERS = (("media_files", "tell_on_insert"), ("media_files", "tell_on_update"), ("tombstones", "tell_on_insert"))
CALLERS = 64
UPLOADS_PER_FILE = 10
Seconds = dict[str, list[float]]
CONTENT = b"x" * 4096


async def cost(stage: Stage, *, files: int, rounds: int) -> dict[str, Any]:
    """Upload and sweep with the triggers and without, in turns: in seconds and in those of PostgreSQL's processor."""
    seconds: Seconds = {}
    for number in range(rounds):
        for way in ("told", "silent") if number % 2 else ("silent", "told"):
            await _switch(stage.url, told=way == "told")
            await prepare_due(stage, files)
            await _measure(stage, seconds, f"sweep_{way}", lambda: sweep(stage, files))
            await _measure(stage, seconds, f"upload_{way}", lambda: _upload(stage, files // UPLOADS_PER_FILE))
        print(f"  round {number + 1}: " + ", ".join(f"{name} {runs[-1]:.2f} s" for name, runs in seconds.items()))
    await _switch(stage.url, told=True)
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    counts = {"sweep": files, "upload": files // UPLOADS_PER_FILE}
    ratios = {
        f"{act}_ratio{of}": medians[f"{act}_told{of}"] / medians[f"{act}_silent{of}"]
        for act in counts
        for of in ("", "_processor")
    }
    more = {
        f"{act}_microseconds": (medians[f"{act}_told_processor"] - medians[f"{act}_silent_processor"]) / count * 1e6
        for act, count in counts.items()
    }
    return {**counts, "seconds": medians, **ratios, **more}


async def _measure(stage: Stage, seconds: Seconds, name: str, work: Callable[[], Awaitable[None]]) -> None:
    before = await backend_seconds(stage.url)
    seconds.setdefault(name, []).append(await timed(work))
    seconds.setdefault(f"{name}_processor", []).append(await backend_seconds(stage.url) - before)


async def _switch(url: str, *, told: bool) -> None:
    connection = await asyncpg.connect(url)
    for table, trigger in TRIGGERS:
        await connection.execute(f"ALTER TABLE {table} {'ENABLE' if told else 'DISABLE'} TRIGGER {trigger}")
    await connection.close()


async def _upload(stage: Stage, uploads: int) -> None:
    left = iter(range(uploads))

    async def call() -> None:
        for number in left:
            asked = Upload(owner=f"owner-{number % OWNERS}", category=Category.TEMP, filename="a.bin")
            await stage.runtime.files.uploads.store_file(asked, _content())

    await asyncio.gather(*(call() for _ in range(CALLERS)))


async def _content() -> AsyncIterator[bytes]:
    yield CONTENT
