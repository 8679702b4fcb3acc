"""`scripts/bench`, and which of its benchmarks: `--help` tells them."""

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from media_analysis.telemetry.logs import configure_logging
from scripts.benchmarks import (
    analyze,
    archive,
    archive_answers,
    big,
    crowd,
    events,
    http,
    interference,
    page,
    pictures,
    probe,
    queue,
    records,
    register,
    replica,
    retention,
    stage,
    store,
    sweep,
)

SWEEP_PARTS = ["all", "few", "cost", "events"]
STOPPED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESULTS = Path(__file__).parents[2] / "bench-results"


async def run_sweep(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "all" in options.parts:
        async with stage.open_stage(directory / "a") as opened:
            found["all_due"] = await sweep.all_due(opened, files=options.files, rounds=options.rounds)
    if "few" in options.parts:
        print(f"{options.due:,} of {options.live:,} files due")
        async with stage.open_stage(directory / "b") as opened:
            found["few_due"] = await sweep.few_due(opened, live=options.live, due=options.due, rounds=options.rounds)
    if "cost" in options.parts:
        async with stage.open_stage(directory / "c") as opened:
            costs = {
                live: await sweep.database_cost(opened, live=live, due=options.due, rounds=options.rounds)
                for live in (10_000, options.live)
            }
        found["database_cost"] = {"microseconds_per_file": costs, "ratio": costs[options.live] / costs[10_000]}
    if "events" in options.parts:
        async with stage.open_stage(directory / "d") as opened:
            found["events"] = await events.cost(opened, files=options.due, rounds=options.rounds)
    return found


async def run_register(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    async with stage.open_stage(directory / "a") as opened:
        figures: dict[str, Any] = await register.register(
            opened, callers=options.callers, rounds=options.rounds, seconds=options.seconds
        )
    return figures


async def run_retention(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    print(f"stats, forecast and preview at {options.files:,} files")
    async with stage.open_stage(directory / "a") as opened:
        return await retention.retention(opened, files=options.files, rounds=options.repeats)


async def run_page(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    print(f"screens of the page at {options.files:,} files")
    async with stage.open_stage(directory / "a") as opened:
        return await page.page(opened, files=options.files, repeats=options.repeats)


async def run_records(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    print(f"records: bytes per 1,000 operations, and ending some of {options.tombstones:,}")
    async with stage.open_stage(directory / "a") as opened:
        return await records.records(opened, operations=options.operations, planted=options.tombstones)


async def run_analyze(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    print(f"analysing {options.video_seconds} s of 1080p")
    async with stage.open_stage(directory / "a") as opened:
        return await analyze.analyze(opened, seconds=options.video_seconds, rounds=options.rounds, parts=options.parts)


async def run_probe(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    probes = 20 if options.quick else options.probes
    print(f"probing a film and a picture {probes} times")
    return await probe.probe(directory, probes=probes, rounds=1 if options.quick else options.rounds)


async def run_pictures(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    print(f"pictures of {options.video_seconds} s of 1080p at {options.instants} instants")
    size = pictures.Size(options.video_seconds, options.instants, options.rounds)
    async with stage.open_stage(directory / "a") as opened:
        return await pictures.pictures(opened, size)


async def run_queue(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if options.quick:
        options.jobs, options.children, options.rounds, options.seconds = 500, 5, 1, 1
        options.parts = [part for part in options.parts if part != "turns"]
    if "created" in options.parts:
        print(f"jobs created over HTTP, {queue.CALLERS} callers")
        async with stage.open_stage(directory / "c") as opened:
            found["created"] = await queue.created(opened, seconds=options.seconds, rounds=options.rounds)
    if "rates" in options.parts:
        print(f"{options.jobs:,} empty jobs, {options.concurrency} at once in each worker")
        async with stage.open_stage(directory / "a") as opened:
            found |= await queue.queue(
                opened,
                jobs=options.jobs,
                children=options.children,
                concurrency=options.concurrency,
                rounds=options.rounds,
            )
    if "turns" in options.parts:
        print(f"single jobs of one owner while {options.waiting:,} of another wait")
        async with stage.open_stage(directory / "b") as opened:
            found["turns"] = await queue.turns(
                opened, waiting=options.waiting, singles=options.singles, concurrency=options.concurrency
            )
    return found


async def run_archive(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "race" in options.parts:
        print(f"archiving {options.frame_bytes + options.json_bytes:,} bytes of frames and JSON")
        async with stage.open_stage(directory / "a") as opened:
            found["race"] = await archive.archive(
                opened, frame_bytes=options.frame_bytes, json_bytes=options.json_bytes, rounds=options.rounds
            )
    if "many" in options.parts:
        print(f"archiving, verifying and restoring {options.runs} runs")
        async with stage.open_stage(directory / "b") as opened:
            found["many"] = await archive.many(opened, runs=options.runs)
    if "answers" in options.parts:
        print(f"answers over HTTP at {options.files:,} files")
        async with stage.open_stage(directory / "c") as opened:
            found["answers"] = await archive_answers.answers(opened, files=options.files, requests=options.requests)
    return found


async def run_big(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    files, rounds = (5_000, 1) if options.quick else (options.files, options.rounds)
    print(f"deleting, archiving and restoring a run of {files:,} files")
    async with stage.open_stage(directory / "a") as opened:
        return await big.big(opened, files=files, rounds=rounds, parts=options.parts)


async def run_crowd(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    print(f"good clients beside {options.strangers:,} others")
    async with stage.open_stage(directory / "a") as opened:
        return await crowd.crowd(opened, strangers=options.strangers, seconds=options.seconds)


async def run_interference(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    size = interference.Size(options.rounds, options.seconds, options.files, options.video_seconds, options.bytes)
    if options.quick:
        size = interference.Size(rounds=1, seconds=2, due=5_000, video_seconds=5, upload_bytes=2**27)
    print("small requests beside a sweep, an analysis and a large upload")
    async with stage.open_stage(directory / "a") as opened:
        return await interference.interference(opened, size, options.processes)


async def run_http(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    size = http.Size(options.rounds, options.seconds, options.rows, options.processes)
    if options.quick:
        size = http.Size(rounds=1, seconds=1, rows=20_000, processes=options.processes)
        options.parts = [part for part in options.parts if part != "resumable"]
    async with stage.open_stage(directory / "a") as opened:
        return await http.http(opened, size, options.parts)


def add_big(benches: Any) -> None:
    growing = benches.add_parser("big", help=big.__doc__)
    growing.add_argument("--files", type=int, default=50_000, help="how many files the run has")
    growing.add_argument("--parts", nargs="+", choices=big.PARTS, default=list(big.PARTS))
    growing.add_argument("--quick", action="store_true", help="one round of 5,000 files")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--place",
        choices=["auto", "loop", "directory"],
        default="auto",
        help="an ext4 of its own on a loop device (what auto takes as root), or a temporary directory",
    )
    parser.add_argument("--rounds", type=int, default=3)
    benches = parser.add_subparsers(dest="bench", required=True)
    sweeping = benches.add_parser("sweep", help=sweep.__doc__)
    sweeping.add_argument("--files", type=int, default=100_000, help="how many files when all are due")
    sweeping.add_argument("--live", type=int, default=1_000_000, help="how many files when few are due")
    sweeping.add_argument("--due", type=int, default=10_000)
    sweeping.add_argument("--parts", nargs="+", choices=SWEEP_PARTS, default=SWEEP_PARTS)
    registering = benches.add_parser("register", help=register.__doc__)
    registering.add_argument("--callers", type=int, default=64)
    registering.add_argument("--seconds", type=float, default=4)
    for asking, most in ((retention, 20), (page, 40)):
        parsed = benches.add_parser(asking.__name__.rpartition(".")[2], help=asking.__doc__)
        parsed.add_argument("--files", type=int, default=1_000_000)
        parsed.add_argument("--repeats", type=int, default=most, help="how often each question is asked")
    recording = benches.add_parser("records", help=records.__doc__)
    recording.add_argument("--operations", type=int, default=1_000, help="how many of each kind")
    recording.add_argument("--tombstones", type=int, default=1_000_000)
    analyze.add_options(benches.add_parser("analyze", help=analyze.__doc__))
    probe.add_options(benches.add_parser("probe", help=probe.__doc__))
    pictures.add_options(benches.add_parser("pictures", help=pictures.__doc__))
    queue.add_options(benches.add_parser("queue", help=queue.__doc__))
    archive.add_options(benches.add_parser("archive", help=archive.__doc__))
    add_big(benches)
    http.add_options(benches.add_parser("http", help=http.__doc__))
    replica.add_options(benches.add_parser("replica", help=replica.__doc__))
    store.add_options(benches.add_parser("store", help=store.__doc__))
    interference.add_options(benches.add_parser("interference", help=interference.__doc__))
    crowd.add_options(benches.add_parser("crowd", help=crowd.__doc__))
    return parser.parse_args()


def show(name: str, figures: dict[str, Any], indent: int = 0) -> None:
    print(f"{'  ' * indent}{name}")
    for key, value in figures.items():
        if isinstance(value, dict):
            show(str(key), value, indent + 1)
        else:
            print(f"{'  ' * indent}  {key:28} {f'{value:,.3f}' if isinstance(value, float) else value}")


def leave(number: int, _: object = None) -> NoReturn:
    """End as a shell says it of a signal, by way of everything that is to be stopped and removed."""
    sys.exit(128 + number)


async def stoppable(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Let signals cancel the work, so that its PostgreSQL is stopped."""
    task = asyncio.current_task()
    if task is not None:
        for number in STOPPED_BY:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await work


def main() -> None:
    options = parse()
    for number in STOPPED_BY:
        signal.signal(number, leave)
    configure_logging(style="console", level="WARNING")
    benches = {
        "sweep": run_sweep,
        "register": run_register,
        "page": run_page,
        "retention": run_retention,
        "records": run_records,
        "analyze": run_analyze,
        "pictures": run_pictures,
        "probe": run_probe,
        "queue": run_queue,
        "archive": run_archive,
        "big": run_big,
        "crowd": run_crowd,
        "http": run_http,
        "interference": run_interference,
        "replica": replica.run,
        "store": store.run,
    }
    work = benches[options.bench]
    owned = options.place == "loop" or (options.place == "auto" and os.geteuid() == 0)
    place = stage.own_filesystem(12) if owned else stage.temporary_directory()
    with place as directory:
        try:
            figures = uvloop.run(stoppable(work(options, directory)))
        except asyncio.CancelledError:
            leave(signal.SIGTERM)
    about = {"at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{options.bench}.json").write_text(json.dumps({**about, **figures}, indent=2) + "\n")
    show(options.bench, figures)


main()
