"""Archiving a run of frames and JSON, against system tar on the same files of the same disk."""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from media_analysis.archive import inventory
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.models import ArchiveTask, ArchiveTaskStatus
from media_analysis.archive.packing import pack
from media_analysis.archive.planning import plan_segment
from media_analysis.archive.progress import Sink, TaskProgress
from media_analysis.archive.suite import ArchiveServices
from media_analysis.archive.watching import TaskWatch
from media_analysis.errors import MediaAnalysisError
from media_analysis.jobs.queries import require_job
from scripts.benchmarks.archive_run import OWNER, Run, add_run, make_material
from scripts.benchmarks.process import Watched
from scripts.benchmarks.stage import ENVIRONMENT, Stage, settle, timed

COMPRESSIONS = (Compression.GZIP, Compression.ZSTD)
PEERS = {"tar_czf": ("tar", "czf"), "tar_zstd": ("tar", "--zstd", "-cf")}
COMMAND = (sys.executable, "-m", "media_analysis", "archive")
HEIGHT = 1080
SMALL = {"frame_bytes": 150_000, "json_bytes": 40_000, "height": 180}
SMALL_FRAMES, SMALL_DOCUMENTS = 10, 2
PARTS = ["race", "many", "answers"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say so."""
    parser.add_argument("--frame-bytes", type=int, default=150_000_000)
    parser.add_argument("--json-bytes", type=int, default=50_000_000)
    parser.add_argument("--runs", type=int, default=100, help="how many small runs")
    parser.add_argument("--files", type=int, default=1_000_000, help="how many files when questions are asked")
    parser.add_argument("--requests", type=int, default=1_000, help="how often each question is asked")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)


@dataclass
class Figures:
    """What was measured, round by round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    size_bytes: dict[str, int] = field(default_factory=dict)
    media_types: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(runs) for name, runs in self.seconds.items()}


async def archive(stage: Stage, *, frame_bytes: int, json_bytes: int, rounds: int) -> dict[str, Any]:
    """Pack, archive, verify and restore a run with gzip and zstd, each round beside both peers."""
    for program in ("tar", "gzip", "zstd"):
        if shutil.which(program) is None:
            raise SystemExit(f"a peer of this benchmark is not installed: {program}")
    folder = stage.directory / "film"
    sizes = {"frame_bytes": frame_bytes, "json_bytes": json_bytes, "height": HEIGHT}
    paths = await asyncio.to_thread(lambda: make_material(folder, **sizes))
    figures = Figures()
    for number in range(rounds):
        for compression in COMPRESSIONS:
            run = await add_run(stage.runtime, paths)
            if compression is COMPRESSIONS[0]:
                await race_peers(stage, run, figures)
            await race_ours(stage, run, compression, figures)
        print(
            f"  round {number + 1}: " + ", ".join(f"{name} {runs[-1]:.2f} s" for name, runs in figures.seconds.items())
        )
    medians = figures.medians()
    size_bytes = sum(path.stat().st_size for path in paths)
    return {
        "files": len(paths),
        "size_bytes": size_bytes,
        "seconds": medians,
        "ratio": ratios(medians),
        "archive_bytes": figures.size_bytes,
        "media_types": figures.media_types,
        "peak_bytes": await peaks(stage, paths),
    }


def ratios(medians: Mapping[str, float]) -> dict[str, float]:
    """Return ours by theirs: gzip to both, as it is what we write unless told otherwise, and zstd to its own peer.

    `pack` is what tar does, and that it lasts; `proven` is a task till its commit, when the archive was read back and
    stands in its originals' place; `task` is that and the removal of the originals' bytes.
    """
    return {
        f"{ours}_to_{theirs}": medians[ours] / medians[theirs]
        for compression, peers in (("gzip", ("tar_czf", "tar_zstd")), ("zstd", ("tar_zstd",)))
        for ours in (f"{compression}_pack", f"{compression}_proven", f"{compression}_task")
        for theirs in peers
    }


async def race_peers(stage: Stage, run: Run, figures: Figures) -> None:
    """Let tar pack the run's objects where they lie, onto the same disk; syncing, which it does not, is timed apart."""
    target = stage.directory / "peer.tar"
    for name, peer in PEERS.items():
        await settle(stage.url)
        command = peer_command(stage, run, peer)
        figures.add(name, await timed(lambda command=command: asyncio.to_thread(subprocess.run, command, check=True)))  # type: ignore[misc]
        figures.add(f"{name}_sync", await timed(lambda: asyncio.to_thread(sync, target)))
        figures.size_bytes[name] = target.stat().st_size
        target.unlink()


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def peer_command(stage: Stage, run: Run, peer: Sequence[str]) -> list[str]:
    names = stage.directory / "names"
    names.write_text("".join(f"{key}\n" for key in run.keys))
    return [*peer, str(stage.directory / "peer.tar"), "-C", str(stage.runtime.settings.store_path), "-T", str(names)]


async def race_ours(stage: Stage, run: Run, compression: Compression, figures: Figures) -> None:
    archives = archives_with(stage, compression)
    await settle(stage.url)
    await pack_only(stage, run, compression, figures)
    await settle(stage.url)
    figures.add(f"{compression}_task", await timed(lambda: archive_one(archives, run.id, figures)))
    await settle(stage.url)
    figures.add(f"{compression}_verify", await timed(lambda: verify_one(archives, run.id)))
    await settle(stage.url)
    figures.add(f"{compression}_restore", await timed(lambda: restore_one(archives, run.id)))


def archives_with(stage: Stage, compression: Compression) -> ArchiveServices:
    archives = stage.runtime.archives
    chosen = archives.settings.archive.model_copy(update={"compression": compression.value})
    return replace(archives, settings=archives.settings.model_copy(update={"archive": chosen}))


async def pack_only(stage: Stage, run: Run, compression: Compression, figures: Figures) -> None:
    """Plan and pack into one new object, and sync it: what tar does, and that it lasts."""
    runtime, progress, key = stage.runtime, TaskProgress(), f"archives/bench/{run.id}.{compression.suffix}"

    async def work() -> None:
        async with runtime.db.read_only() as session:
            job, now = await require_job(session, run.id, owner=None)
            kept_for = runtime.archives.requests.terms.kept_for
            contents = await inventory.take_stock(session, job, now=now, kept_for=kept_for)
            plan = await plan_segment(session, job, contents, compression)
        (writer,) = await runtime.store.create_many([key])
        if isinstance(writer, Exception):
            raise writer
        with closing(plan), closing(writer):
            sink = Sink(writer, progress)
            await progress.run(lambda: pack(plan, runtime.store, sink, progress))
            await writer.sync()

    figures.add(f"{compression}_pack", await timed(work))
    await runtime.store.delete_many([key])


async def archive_one(archives: ArchiveServices, job_id: UUID, figures: Figures) -> None:
    asked = await archives.requests.request_archive(job_id, owner=None, actor="bench")
    await archives.execution.run_waiting()
    (task,) = await require_completed(archives, [asked])
    name = archives.settings.archive.compression
    if task.started_at is None or task.ended_at is None:
        raise SystemExit("a task ended that never began")
    figures.add(f"{name}_proven", (task.ended_at - task.started_at).total_seconds())
    figures.size_bytes[name] = task.stats["packed_bytes"]
    shares = task.stats["media_types"].items()
    figures.media_types[name] = {kind: share["packed_bytes"] / share["raw_bytes"] for kind, share in shares}


async def verify_one(archives: ArchiveServices, job_id: UUID) -> None:
    await archives.catalog.verify(job_id, owner=None, progress=TaskProgress())


async def restore_one(archives: ArchiveServices, job_id: UUID) -> None:
    asked = await archives.requests.request_restore(job_id, owner=None, actor="bench")
    await archives.execution.run_waiting()
    await require_completed(archives, [asked])


async def require_completed(archives: ArchiveServices, asked: Sequence[ArchiveTask]) -> list[ArchiveTask]:
    ended = [named.task for named in await TaskWatch(archives.db).list_named([task.id for task in asked])]
    for task in ended:
        if task.status is not ArchiveTaskStatus.COMPLETED:
            raise SystemExit(f"a task ended {task.status}: {task.error}")
    return ended


async def peaks(stage: Stage, paths: Sequence[Path]) -> dict[str, Any]:
    """Return the most memory of each command, run as its users run it, beside what it takes to list the archives."""
    idle = await peak(stage, [*COMMAND, "list"])
    found: dict[str, Any] = {"idle": idle}
    for compression in COMPRESSIONS:
        run, asked = await add_run(stage.runtime, paths), {"ARCHIVE_COMPRESSION": compression.value}
        if compression is COMPRESSIONS[0]:
            for name, peer in PEERS.items():
                found[name] = await peak(stage, peer_command(stage, run, peer))
        for verb in ("run", "verify", "restore"):
            grown = await peak(stage, [*COMMAND, verb, str(run.id)], **asked) - idle
            found[f"{compression}_{verb}_above_idle"] = grown
    return found


async def peak(stage: Stage, command: Sequence[str], **asked: str) -> int:
    about = {"DATABASE_URL": stage.url, "MEDIA_ANALYSIS_DATA_DIR": str(stage.directory)}
    environment = dict(os.environ) | ENVIRONMENT | about | asked
    watched = await asyncio.to_thread(lambda: Watched(command, directory=Path.cwd(), environment=environment))
    return watched.peak_bytes


async def many(stage: Stage, *, runs: int) -> dict[str, Any]:
    """Archive, verify and restore many small runs, and count those that went well each time."""
    made = await asyncio.to_thread(lambda: make_material(stage.directory / "small", **SMALL))
    frames = [path for path in made if path.suffix == ".jpg"][:SMALL_FRAMES]
    paths = frames + [path for path in made if path.suffix == ".json"][:SMALL_DOCUMENTS]
    if len(paths) != SMALL_FRAMES + SMALL_DOCUMENTS:
        raise SystemExit(f"only {len(paths)} files were made for a small run")
    ids = [(await add_run(stage.runtime, paths)).id for _ in range(runs)]
    archives, succeeded, seconds = stage.runtime.archives, {}, {}
    await settle(stage.url)
    for name, work in {"archive": archive_many, "verify": verify_many, "restore": restore_many}.items():
        began = time.perf_counter()
        succeeded[name] = await work(archives, ids)
        seconds[name] = time.perf_counter() - began
    return {"runs": runs, "files_each": len(paths), "succeeded": succeeded, "seconds": seconds}


async def archive_many(archives: ArchiveServices, ids: Sequence[UUID]) -> int:
    asked = [await archives.requests.request_archive(each, owner=OWNER, actor="bench") for each in ids]
    await archives.execution.run_waiting()
    return await count_completed(archives, asked)


async def verify_many(archives: ArchiveServices, ids: Sequence[UUID]) -> int:
    whole = 0
    for each in ids:
        with suppress(MediaAnalysisError):
            await verify_one(archives, each)
            whole += 1
    return whole


async def restore_many(archives: ArchiveServices, ids: Sequence[UUID]) -> int:
    asked = [await archives.requests.request_restore(each, owner=OWNER, actor="bench") for each in ids]
    await archives.execution.run_waiting()
    return await count_completed(archives, asked)


async def count_completed(archives: ArchiveServices, asked: Sequence[ArchiveTask]) -> int:
    ended = await TaskWatch(archives.db).list_named([task.id for task in asked])
    return sum(named.task.status is ArchiveTaskStatus.COMPLETED for named in ended)
