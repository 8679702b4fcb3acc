"""Sweeping what is due, against `find -delete` and managers that scan the disk."""

import asyncio
import shutil
import statistics
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from scripts.benchmarks.peers import StorageManager, find_delete, walk_and_unlink
from scripts.benchmarks.stage import Stage, add_rows, make_tree, new_keys, settle, timed

REQUEST = SweepRequest(trigger=SweepTrigger.CLI, actor="benchmark")
Work = Callable[[], Awaitable[object]]


async def all_due(stage: Stage, *, files: int, rounds: int) -> dict[str, Any]:
    """Everything is due: every peer deletes the same tree of 4 KiB files, round by round."""
    seconds: dict[str, list[float]] = {"sweep": [], "find": [], "manager": [], "walk": []}
    for number in range(rounds):
        await prepare_due(stage, files)
        seconds["sweep"].append(await timed(lambda: sweep(stage, files)))
        for name, work in peers(stage.directory / f"peer-{number}"):
            root = stage.directory / f"peer-{number}"
            keys = [key for _, key in new_keys(files)]
            await asyncio.to_thread(make_tree, root, keys)
            await settle(stage.url)
            seconds[name].append(await timed(work))
            shutil.rmtree(root)
        print(f"  round {number + 1}: " + ", ".join(f"{name} {runs[-1]:.2f} s" for name, runs in seconds.items()))
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    return {
        "files": files,
        "seconds": medians,
        "microseconds_per_file": medians["sweep"] / files * 1e6,
        "ratio_to_find": medians["sweep"] / medians["find"],
        "ratio_to_manager": medians["sweep"] / medians["manager"],
        "ratio_to_walk": medians["sweep"] / medians["walk"],
    }


def peers(root: Path) -> list[tuple[str, Work]]:
    """Return the peers, each as a coroutine function that empties `root`."""
    return [
        ("find", lambda: asyncio.to_thread(find_delete, root)),
        ("manager", StorageManager(root).cleanup),
        ("walk", lambda: asyncio.to_thread(walk_and_unlink, root)),
    ]


async def prepare_due(stage: Stage, files: int) -> None:
    """Lay out files on disk and in the database that are all due."""
    made = new_keys(files)
    await asyncio.to_thread(make_tree, stage.runtime.settings.store_path, [key for _, key in made])
    await add_rows(stage.url, made, due_from=datetime.now(UTC) - timedelta(days=2))
    await settle(stage.url)


async def sweep(stage: Stage, expected: int) -> None:
    """Sweep and make sure that exactly what was due went."""
    report = await stage.runtime.retention.sweeps.run(REQUEST)
    if report.files != expected or report.errors:
        raise SystemExit(f"the sweep removed {report.files} of {expected} files with {report.errors} errors")


async def few_due(stage: Stage, *, live: int, due: int, rounds: int) -> dict[str, Any]:
    """A few of many are due: find must walk them all, warm and cold; the database asks an index."""
    await prepare_live(stage, live)
    seconds: dict[str, list[float]] = {"sweep": [], "find_warm": [], "find_cold": []}
    root = stage.runtime.settings.store_path
    for _ in range(rounds):
        await prepare_due(stage, due)
        seconds["sweep"].append(await timed(lambda: sweep(stage, due)))
        for name in ("find_warm", "find_cold"):
            await asyncio.to_thread(make_tree, root, [key for _, key in new_keys(due)])
            await settle(stage.url)
            if name == "find_cold":
                await asyncio.to_thread(Path("/proc/sys/vm/drop_caches").write_text, "3")
            else:
                await asyncio.to_thread(list, root.rglob("*"))
            seconds[name].append(await timed(lambda: asyncio.to_thread(find_delete, root)))
        print("  " + ", ".join(f"{name} {runs[-1]:.2f} s" for name, runs in seconds.items()))
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    return {
        "live": live,
        "due": due,
        "seconds": medians,
        "ratio_to_find_warm": medians["sweep"] / medians["find_warm"],
        "ratio_to_find_cold": medians["sweep"] / medians["find_cold"],
    }


async def prepare_live(stage: Stage, live: int) -> None:
    """Lay out young files that nobody may touch, on disk and in the database."""
    print(f"  laying out {live:,} live files")
    made = new_keys(live)
    root = stage.runtime.settings.store_path

    def make_young() -> None:
        for _, key in made:
            path = root / key
            try:
                path.touch()
            except FileNotFoundError:
                path.parent.mkdir(parents=True)
                path.touch()

    await asyncio.to_thread(make_young)
    await add_rows(stage.url, made, due_from=datetime.now(UTC) + timedelta(days=7))
    await settle(stage.url)


async def database_cost(stage: Stage, *, live: int, due: int, rounds: int) -> float:
    """Return the microseconds of CPU that PostgreSQL's backends spend per deleted file, beside `live` others."""
    await _fill_rows(stage, live)
    costs = []
    for _ in range(rounds):
        await prepare_due(stage, due)
        before = await backend_seconds(stage.url)
        await sweep(stage, due)
        costs.append((await backend_seconds(stage.url) - before) / due * 1e6)
    return statistics.median(costs)


async def backend_seconds(url: str) -> float:
    """Return the CPU time the service's database backends have used so far, from the kernel's own accounts."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = 'media-analysis'")
    finally:
        await connection.close()
    return sum(cpu_seconds(row["pid"]) for row in rows)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


async def _fill_rows(stage: Stage, live: int) -> None:
    connection = await asyncpg.connect(stage.url)
    try:
        present = await connection.fetchval("SELECT count(*) FROM media_files")
    finally:
        await connection.close()
    if live > present:
        await add_rows(stage.url, new_keys(live - present), due_from=datetime.now(UTC) + timedelta(days=7))
