"""A worker dies by kill -9 at every failpoint of a run; the next one leaves exactly one set of outputs."""

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.files.models import MediaFile
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.worker.service import WorkerOptions, running_worker
from tests.conftest import StoreFile, fetch
from tests.crash.points import RUN_KILLS, RUN_REACHED, once_each
from tests.crash.scenario import let_leases_lapse
from tests.oracle import inspect_everything
from tests.worker.workers import outputs_of, plug_in, queue_job, until_ended, until_queue_is_empty, working

pytestmark = pytest.mark.crash
ABANDONED: Final = SweepRequest(trigger=SweepTrigger.CLI, requested_by="test", only_pending=True)
RESCUER: Final = WorkerOptions(kinds=["tiny"], heartbeat=timedelta(seconds=0.5))
PIECES: Final = [("piece", 0, "stored"), ("piece", 1, "stored")]
FATES: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "completes": ({}, "completed"),
    "fails": ({"corrupt": True}, "failed"),
    "crashes": ({"crash": True}, "failed"),
}
"""What the job is asked, and how it ends."""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The next worker takes over at once."""
    return environment | {
        "WORKER_HEARTBEAT_SECONDS": "0.5",
        "WORKER_RETRY_SECONDS": "0.05",
        "WORKER_GRACE_SECONDS": "5",
        "DATABASE_POOL_MIN": "1",
    }


@pytest.fixture(autouse=True)
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(plug_in(tmp_path / "plugins"))


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file(b"a source")


@pytest.mark.parametrize("fate", FATES)
async def test_runs_reach_the_failpoints_that_are_listed(
    fate: str, runtime: Runtime, source: MediaFile, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    asked, ends = FATES[fate]
    job = await queue_job(runtime, source, **asked)

    async with working(environment | {TRACE_VARIABLE: str(trace)}, tmp_path) as worker:
        jobs = await until_ended(database)
        await until_queue_is_empty(database)
        await worker.end(signal.SIGTERM)

    reached = {line.rpartition(":")[0] for line in trace.read_text().splitlines()}
    assert jobs[job.id]["status"] == ends
    assert reached == RUN_REACHED[fate]


@pytest.mark.parametrize(("fate", "moment"), once_each(RUN_KILLS))
async def test_a_run_killed_at_any_moment_is_run_again_and_leaves_one_set_of_outputs(
    fate: str,
    moment: str,
    runtime: Runtime,
    source: MediaFile,
    environment: dict[str, str],
    database: str,
    tmp_path: Path,
) -> None:
    store = tmp_path / "var" / "store"
    asked, ends = FATES[fate]
    job = await queue_job(runtime, source, **asked)

    async with working(environment | {KILL_VARIABLE: moment}, tmp_path, ready=False) as killed:
        async with asyncio.timeout(60):
            exit_code = await killed.process.ended()
    left = await inspect_everything(database, store)
    async with running_worker(runtime, database, RESCUER):
        jobs = await until_ended(database)
        await until_queue_is_empty(database)
    await let_leases_lapse(database)
    await runtime.retention.sweeps.run(ABANDONED)

    assert exit_code == -signal.SIGKILL, f"{moment} was never reached: {killed.output}"
    assert left == []
    assert jobs[job.id]["status"] == ends
    assert await outputs_of(database, job) == (PIECES if ends == "completed" else [])
    results = await fetch(database, "SELECT published FROM analysis_results")
    assert [row["published"] for row in results] == ([True] if ends == "completed" else [])
    assert await fetch(database, "SELECT FROM purges WHERE confirmed_at IS NULL") == []
