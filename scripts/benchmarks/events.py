"""What the log of events costs those who make them: uploads and a sweep, against the same without its triggers."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from media_analysis.files.upload.service import Upload
from media_analysis.storage.category import Category
from scripts.benchmarks.stage import OWNERS, Stage, timed
from scripts.benchmarks.sweep import prepare_due, sweep

TRIGGERS = (("media_files", "tell_on_insert"), ("media_files", "tell_on_update"), ("tombstones", "tell_on_insert"))
CALLERS = 64
CONTENT = b"x" * 4096


async def cost(stage: Stage, *, files: int, rounds: int) -> dict[str, Any]:
    """Upload and sweep with the triggers and without, in turns; medians of the rounds."""
    seconds: dict[str, list[float]] = {}
    for number in range(rounds):
        for way in ("told", "silent") if number % 2 else ("silent", "told"):
            await _switch(stage.url, told=way == "told")
            await prepare_due(stage, files)
            seconds.setdefault(f"sweep_{way}", []).append(await timed(lambda: sweep(stage, files)))
            seconds.setdefault(f"upload_{way}", []).append(await timed(lambda: _upload(stage, files)))
        print(f"  round {number + 1}: " + ", ".join(f"{name} {runs[-1]:.2f} s" for name, runs in seconds.items()))
    await _switch(stage.url, told=True)
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    return {
        "files": files,
        "seconds": medians,
        "sweep_ratio": medians["sweep_told"] / medians["sweep_silent"],
        "upload_ratio": medians["upload_told"] / medians["upload_silent"],
        "sweep_microseconds": (medians["sweep_told"] - medians["sweep_silent"]) / files * 1e6,
        "upload_microseconds": (medians["upload_told"] - medians["upload_silent"]) / files * 1e6,
    }


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
