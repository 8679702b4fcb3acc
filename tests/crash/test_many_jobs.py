"""Three workers share many jobs, and two of them are killed at random instants."""

import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from tests.conftest import StoreFile, fetch
from tests.crash.scenario import let_leases_lapse
from tests.oracle import inspect_everything
from tests.worker.workers import (
    PIECES,
    WorkerProcess,
    children_of,
    plug_in,
    queue_job,
    runs,
    until,
    until_ended,
    working,
)

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("plugged_in")]
ABANDONED: Final = SweepRequest(trigger=SweepTrigger.CLI, actor="test", only_pending=True)
ASKED: Final[tuple[dict[str, Any], ...]] = (
    *({}, {"seconds": 0.1}, {}, {"seconds": 0.2}, {}),
    {"corrupt": True},
    *({}, {"seconds": 0.1}, {}, {"seconds": 0.2}, {}),
    {"crash": True},
)
"""What the jobs are asked in turn."""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "WORKER_HEARTBEAT_SECONDS": "2",
        "WORKER_LEASE_SECONDS": "6",
        # Two are spent on the kills, and each time a worker stands still for longer than a heartbeat one more.
        "WORKER_MAX_ATTEMPTS": "6",
        "WORKER_RETRY_SECONDS": "0.05",
        "DATABASE_POOL_MIN": "1",
    }


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(plug_in(tmp_path / "plugins"))


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file(b"a source")


@pytest.fixture
async def workers(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[list[WorkerProcess]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(working(environment, tmp_path)) for _ in range(3)]


async def kill_at_random(worker: WorkerProcess, database: str, dice: random.Random, *, events: int) -> list[int]:
    """Kill a worker some time after so many things happened to jobs; return the children it had."""

    async def happened() -> bool:
        return len(await fetch(database, "SELECT FROM job_events")) >= events

    await until(happened, seconds=300)
    late = time.monotonic() + dice.uniform(0, 0.5)

    async def due() -> bool:
        return time.monotonic() >= late

    await until(due)
    children = children_of(worker.process.pid)
    os.kill(worker.process.pid, signal.SIGKILL)
    await worker.process.ended()
    return children


async def leavings(database: str) -> dict[str, int]:
    """Count what should not be there once all is over."""
    queries = {
        "staged": "SELECT FROM media_files WHERE state <> 'stored'",
        "open purges": "SELECT FROM purges WHERE confirmed_at IS NULL",
        "leased": "SELECT FROM media_files WHERE leased_until > now() AND role IS NOT NULL",
        "hidden results": "SELECT FROM analysis_results WHERE NOT published",
    }
    return {name: len(await fetch(database, query)) for name, query in queries.items()}


async def sets_of(database: str) -> dict[UUID, tuple[list[tuple[str, int, str]], set[int]]]:
    """Return role, ordinal and state of every file of every job, and the fences they carry."""
    found: dict[UUID, tuple[list[tuple[str, int, str]], set[int]]] = defaultdict(lambda: ([], set()))
    query = (
        "SELECT job_id, role, ordinal, state::text, job_fence FROM media_files WHERE job_id IS NOT NULL ORDER BY 2, 3"
    )
    for row in await fetch(database, query):
        found[row["job_id"]][0].append((row["role"], row["ordinal"], row["state"]))
        found[row["job_id"]][1].add(row["job_fence"])
    return found


async def broken_promises(database: str, jobs: Mapping[UUID, Mapping[str, Any]]) -> list[str]:
    """Return a sentence for every job that left something else than one set of outputs, or a reason."""
    sets = await sets_of(database)
    results = Counter(row["job_id"] for row in await fetch(database, "SELECT job_id FROM analysis_results"))
    found = []
    for job_id, job in jobs.items():
        files, fences = sets.pop(job_id, ([], set()))
        completed = job["status"] == "completed"
        if (files, len(fences), results[job_id]) != ((PIECES, 1, 1) if completed else ([], 0, 0)):
            found.append(f"{job_id} is {job['status']} with {files} of runs {fences} and {results[job_id]} results")
        if not completed and not job["error"]:
            found.append(f"{job_id} is {job['status']} for no reason")
    return found + [f"{files} belong to no job" for files in sets.values()]


def allowed_ends(about: Mapping[str, Any]) -> set[tuple[str, str | None]]:
    """Return how a job may end that was asked this; a crash whose last run was killed tells of its worker."""
    if "corrupt" in about:
        return {("failed", "corrupt_media")}
    if "crash" in about:
        return {("failed", "analysis_crashed"), ("failed", "worker_lost")}
    return {("completed", None)}


@pytest.mark.parametrize("count", [24, pytest.param(204, marks=pytest.mark.large)])
async def test_every_job_ends_with_one_set_of_outputs_or_a_reason_although_workers_die(
    count: int, runtime: Runtime, source: MediaFile, database: str, workers: list[WorkerProcess], tmp_path: Path
) -> None:
    dice = random.Random(count)
    asked = {(await queue_job(runtime, source, **about)).id: about for about in ASKED * (count // len(ASKED))}

    # Two events at least tell of every job that ends, beside the one of its creation.
    orphans = await kill_at_random(workers[0], database, dice, events=count + dice.randrange(1, count))
    orphans += await kill_at_random(workers[1], database, dice, events=2 * count + dice.randrange(count // 2))
    jobs = await until_ended(database, seconds=400)
    await let_leases_lapse(database)
    await runtime.retention.sweeps.run(ABANDONED)

    strange = [job for job in jobs.values() if (job["status"], job["error_code"]) not in allowed_ends(asked[job["id"]])]
    assert strange == []
    assert await broken_promises(database, jobs) == []
    assert await leavings(database) == {"staged": 0, "open purges": 0, "leased": 0, "hidden results": 0}
    assert await inspect_everything(database, tmp_path / "var" / "store") == []
    assert [child for child in orphans if runs(child)] == []
