"""A worker dies by kill -9 at every failpoint of a run; the next one leaves exactly one set of outputs."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.worker.service import WorkerOptions, running_worker
from tests.conftest import OpenRuntime, StartOver, fetch, storing
from tests.crash.points import EACH, EVERYTHING, find_moments
from tests.crash.scenario import let_attempts_lapse, let_leases_lapse
from tests.oracle import inspect_everything
from tests.worker.workers import outputs_of, plug_in, queue_job, until_ended, working

pytestmark = pytest.mark.crash
ABANDONED: Final = SweepRequest(trigger=SweepTrigger.CLI, actor="test", only_pending=True)
RESCUER: Final = WorkerOptions(kinds=["tiny"], heartbeat=timedelta(seconds=15), grace=timedelta(seconds=20))
PIECES: Final = [("piece", 0, "stored"), ("piece", 1, "stored")]


@dataclass(frozen=True)
class Fate:
    """What a job is asked, how it ends, and the kinds of failpoints the worker is killed at meanwhile."""

    parameters: dict[str, Any]
    ends: str
    kinds: frozenset[str]


FATES: Final = {
    "completes": Fate({}, "completed", EVERYTHING),
    "fails": Fate({"corrupt": True}, "failed", frozenset({"attempt"})),
    "crashes": Fate({"crash": True}, "failed", frozenset({"attempt", "delete"})),
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Who is alive is not taken to be dead, however long the machine stands still, and does nothing twice."""
    return environment | {
        "WORKER_HEARTBEAT_SECONDS": "15",
        "WORKER_RETRY_SECONDS": "0.05",
        "WORKER_GRACE_SECONDS": "5",
        "DATABASE_POOL_MIN": "1",
    }


@pytest.fixture(autouse=True)
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(plug_in(tmp_path / "plugins"))


async def test_attempts_reach_all_their_failpoints(
    environment: dict[str, str], open_here: OpenRuntime, start_over: StartOver, database: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    for fate in FATES:
        await start_over()
        async with open_here() as runtime:
            await _record(fate, trace, runtime, environment, database, tmp_path)

    assert find_moments(trace, "attempts")


@pytest.mark.parametrize("when", EACH)
@pytest.mark.parametrize("fate", FATES)
async def test_a_run_killed_at_any_moment_is_run_again_and_leaves_one_set_of_outputs(
    fate: str,
    when: str,
    open_here: OpenRuntime,
    start_over: StartOver,
    environment: dict[str, str],
    database: str,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    async with open_here() as runtime:
        await _record(fate, trace, runtime, environment, database, tmp_path)

    for moment in find_moments(trace, None, when=when, kinds=FATES[fate].kinds):
        with subtests.test(moment):
            await start_over()
            async with open_here() as runtime:
                await _die_and_be_done_again(fate, moment, runtime, environment, database, tmp_path)


async def _record(
    fate: str, trace: Path, runtime: Runtime, environment: Mapping[str, str], database: str, folder: Path
) -> None:
    job = await queue_job(runtime, await storing(runtime)(b"a source"), **FATES[fate].parameters)
    async with working({**environment, TRACE_VARIABLE: str(trace), "WORKER_GRACE_SECONDS": "20"}, folder) as worker:
        jobs = await until_ended(database)
        await worker.end(signal.SIGTERM)
    assert jobs[job.id]["status"] == FATES[fate].ends


async def _die_and_be_done_again(
    fate: str, moment: str, runtime: Runtime, environment: Mapping[str, str], database: str, folder: Path
) -> None:
    ends = FATES[fate].ends
    job = await queue_job(runtime, await storing(runtime)(b"a source"), **FATES[fate].parameters)

    async with working({**environment, KILL_VARIABLE: moment}, folder, ready=False) as killed:
        async with asyncio.timeout(60):
            exit_code = await killed.process.ended()
    left = await inspect_everything(database, folder / "var" / "store")
    await let_attempts_lapse(database)  # that it waits for no longer than a heartbeat is for the worker's own tests
    async with running_worker(runtime, RESCUER):
        jobs = await until_ended(database)
    await let_leases_lapse(database)
    await runtime.retention.sweeps.run(ABANDONED)

    assert exit_code == -signal.SIGKILL, f"{moment} was never reached: {killed.output}"
    assert left == []
    assert jobs[job.id]["status"] == ends
    assert await outputs_of(database, job) == (PIECES if ends == "completed" else [])
    results = await fetch(database, "SELECT published FROM analysis_results")
    assert [row["published"] for row in results] == ([True] if ends == "completed" else [])
    assert await fetch(database, "SELECT FROM purges WHERE confirmed_at IS NULL") == []
