"""Deleting, archiving and restoring one run of very many small files, against `find`, `tar` and the same disk."""

import asyncio
import hashlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from media_analysis.archive.models import ArchiveTask
from media_analysis.deletion.requests import DeletionRequest
from scripts.benchmarks.archive import require_completed
from scripts.benchmarks.archive_run import OWNER, add_run
from scripts.benchmarks.peers import find_delete
from scripts.benchmarks.stage import COLUMNS, COUNT_EVERYTHING, FILE_BYTES, Stage, settle
from scripts.benchmarks.sweep import backend_seconds

PARTS = ("delete", "archive")
HARD = DeletionRequest(actor="bench", hard=True)
TICK_SECONDS = 0.005
YEAR_SECONDS = 365 * 86_400


@dataclass
class Figures:
    """Seconds of each step, those of the processor in ours and PostgreSQL's, and the loop's worst delay, by rounds."""

    url: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    late: dict[str, list[float]] = field(default_factory=dict)

    async def time(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        processor, began = await self._processor(), time.perf_counter()
        async with watched_loop() as lags:
            value = await work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)
        self.processor.setdefault(name, []).append(await self._processor() - processor)
        self.late.setdefault(name, []).append(max(lags, default=0.0))
        return value

    async def _processor(self) -> float:
        return time.process_time() + await backend_seconds(self.url)


@asynccontextmanager
async def watched_loop() -> AsyncIterator[list[float]]:
    """Yield by how many seconds the loop came late to a tick, every few milliseconds."""
    lags: list[float] = []

    async def tick() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(TICK_SECONDS)
            lags.append(time.perf_counter() - asked - TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    try:
        yield lags
    finally:
        ticking.cancel()
        await asyncio.wait([ticking])


async def big(stage: Stage, *, files: int, rounds: int, parts: Sequence[str]) -> dict[str, Any]:
    """Return medians of all rounds; `late` is the worst of them."""
    figures, left = Figures(stage.url), []
    for number in range(rounds):
        if "delete" in parts:
            left.append(await delete(stage, files, figures))
        if "archive" in parts:
            await archive(stage, files, figures)
        took = ", ".join(f"{name} {runs[-1]:.2f} s" for name, runs in figures.seconds.items())
        print(f"  round {number + 1}: {took}")
    medians = {name: statistics.median(runs) for name, runs in figures.seconds.items()}
    return {
        "files": files,
        "seconds": medians,
        "processor_seconds": {name: statistics.median(runs) for name, runs in figures.processor.items()},
        "loop_late_seconds": {name: max(runs) for name, runs in figures.late.items()},
        "left_at_the_answer": left,
        "ratio": ratios(medians),
    }


def ratios(medians: Mapping[str, float]) -> dict[str, float]:
    """Return ours by theirs; `gone` is a deletion until the last of its bytes is."""
    pairs = (("gone", "find"), ("answered", "find"), ("archive", "tar"), ("restore", "untar"), ("restore", "archive"))
    return {f"{ours}_to_{theirs}": medians[ours] / medians[theirs] for ours, theirs in pairs if theirs in medians}


async def delete(stage: Stage, files: int, figures: Figures) -> int:
    """Delete a run for good, and the same files with find; return how many files were still to go at the answer."""
    run = await plant(stage, files)
    await settle(stage.url)
    began = time.perf_counter()
    told = await figures.time("answered", lambda: stage.runtime.jobs.deletions.delete(run, HARD, owner=None))
    left: int = told.remaining.files
    await figures.time("rest", lambda: gone(stage))
    figures.seconds.setdefault("gone", []).append(time.perf_counter() - began)
    peer = stage.directory / "peer"
    await asyncio.to_thread(write_frames, peer, [f"{number}.jpg" for number in range(files)])
    await settle(stage.url)
    await figures.time("find", lambda: asyncio.to_thread(find_delete, peer))
    shutil.rmtree(peer)
    return left


async def gone(stage: Stage) -> None:
    """Remove what was left to the next look of a service at its outbox."""
    await stage.runtime.deletion.deleter.finish_entries()


async def archive(stage: Stage, files: int, figures: Figures) -> None:
    """Archive a run and restore it, and let tar pack and unpack its files, synced at the end."""
    run = await plant(stage, files)
    peer, packed = stage.directory / "peer", stage.directory / "peer.tar.gz"
    await settle(stage.url)
    await figures.time("tar", lambda: command("tar", "czf", packed, "-C", folder(stage, run), "."))
    peer.mkdir()
    await settle(stage.url)
    await figures.time("untar", lambda: command("tar", "xzf", packed, "-C", peer))
    shutil.rmtree(peer)
    packed.unlink()
    requests = stage.runtime.archives.requests
    for name, request in {"archive": requests.request_archive, "restore": requests.request_restore}.items():
        await settle(stage.url)
        asked = await request(run, owner=None, actor="bench")
        await figures.time(name, lambda asked=asked: work_off(stage, asked))  # type: ignore[misc]
    await stage.runtime.jobs.deletions.delete(run, HARD, owner=None)
    await gone(stage)


async def work_off(stage: Stage, asked: ArchiveTask) -> None:
    await stage.runtime.archives.execution.run_waiting()
    await require_completed(stage.runtime.archives, [asked])


async def command(*words: object) -> None:
    """Run a command, and sync what it wrote."""
    await asyncio.to_thread(subprocess.run, [str(word) for word in words], check=True)
    await asyncio.to_thread(os.sync)


def folder(stage: Stage, run: UUID) -> Path:
    return stage.runtime.settings.store_path / "frames" / str(run)


async def plant(stage: Stage, files: int) -> UUID:
    """Lay out a run that has ended, on disk and in the database: frames of 4 KiB, all of them different."""
    seed = stage.directory / "seed.log"
    seed.write_text("a run\n")
    run = (await add_run(stage.runtime, [seed])).id
    made = [(uuid7(), number) for number in range(files)]
    names = [f"{file_id}.jpg" for file_id, _ in made]
    hashes = await asyncio.to_thread(write_frames, folder(stage, run), names)
    now, ends_at = datetime.now(UTC), datetime.now(UTC) + timedelta(days=30)
    rows = [
        (file_id, OWNER, "frames", "stored", f"frames/{run}/{name}", f"frame-{number}.jpg", "image/jpeg", FILE_BYTES, 0,
         sha256, now, now, ends_at, False, ends_at, run, "frame", number)
        for (file_id, number), name, sha256 in zip(made, names, hashes, strict=True)
    ]  # fmt: skip
    connection = await asyncpg.connect(stage.url)
    try:
        columns = [*COLUMNS, "job_id", "role", "ordinal"]
        await connection.copy_records_to_table("media_files", records=rows, columns=columns)
        await connection.execute(COUNT_EVERYTHING)
    finally:
        await connection.close()
    return run


def write_frames(directory: Path, names: Sequence[str]) -> list[bytes]:
    """Write a file of 4 KiB per name, as old as a year, and return their SHA-256."""
    directory.mkdir(parents=True, exist_ok=True)
    filler, year_ago, hashes = os.urandom(FILE_BYTES - 8), time.time() - YEAR_SECONDS, []
    for number, name in enumerate(names):
        content = number.to_bytes(8, "big") + filler
        (directory / name).write_bytes(content)
        os.utime(directory / name, (year_ago, year_ago))
        hashes.append(hashlib.sha256(content).digest())
    return hashes
