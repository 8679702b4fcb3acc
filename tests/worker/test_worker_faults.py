"""The worker in this process: what goes wrong around it, and what it says of itself."""

import asyncio
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from media_analysis.errors import UnknownKind
from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.worker.service import WorkerOptions, running_worker
from tests.conftest import Client, fetch
from tests.worker.workers import (
    HEARTBEAT,
    jobs_of,
    options,
    queue_job,
    until,
    until_ended,
    until_status,
    working,
)

pytestmark = pytest.mark.usefixtures("plugged_in")


async def test_a_worker_whose_connection_is_cut_keeps_its_job_and_takes_the_next(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'media-analysis job_work'"
    first = await queue_job(runtime, source, seconds=0.7)

    async def was_cut() -> bool:  # which is not there yet when the first job is found without it
        return bool(await fetch(database, cut))

    with capture_logs() as logs:
        async with running_worker(runtime, options()):
            await until_status(database, first, "running")
            await until(was_cut)
            await queue_job(runtime, source)
            jobs = await until_ended(database)

    assert {(job["status"], job["attempts"]) for job in jobs.values()} == {("completed", 1)}
    assert [line["channel"] for line in logs if line["event"] == "channel.unheard"] == ["job_work"]


async def test_a_worker_whose_store_is_not_there_leaves_jobs_to_others_until_it_is(
    runtime: Runtime, source: MediaFile, settings: Settings, database: str
) -> None:
    marker = settings.store_path / MARKER_NAME
    away = marker.rename(marker.with_name("away"))
    job = await queue_job(runtime, source)

    async def failed() -> bool:
        return any(line["event"] == "worker.claim_failed" for line in logs)

    with capture_logs() as logs:
        async with running_worker(runtime, options()):
            await until(failed)
            before = (await jobs_of(database))[job.id]
            away.rename(marker)
            ended = (await until_ended(database))[job.id]

    assert (before["status"], before["attempts"]) == ("pending", 0)
    assert (ended["status"], ended["attempts"]) == ("completed", 1)


async def test_metrics_say_what_ran_and_what_waits(
    client: Client, runtime: Runtime, source: MediaFile, database: str
) -> None:
    await queue_job(runtime, source)
    await queue_job(runtime, source, corrupt=True)
    waiting = (await client.request("GET", "/metrics", by=None)).text

    async with running_worker(runtime, options(grace=timedelta(seconds=20))):
        await until_ended(database)
    ended = (await client.request("GET", "/metrics", by=None)).text

    assert 'jobs_waiting{kind="tiny"} 2.0' in waiting
    assert 'jobs_waiting_seconds{kind="tiny"}' in waiting
    assert "jobs_waiting{" not in ended
    assert 'jobs_ended_total{kind="tiny",outcome="completed"} 1.0' in ended
    assert 'jobs_ended_total{kind="tiny",outcome="failed"} 1.0' in ended
    assert 'jobs_running{kind="tiny"} 0.0' in ended
    assert "media_analysis_worker_loop_lag_seconds" in ended


async def test_a_loop_that_stands_still_is_told(client: Client, runtime: Runtime, database: str) -> None:
    with capture_logs() as logs:
        async with running_worker(runtime, options()):
            await asyncio.sleep(0)
            time.sleep(1.5)  # noqa: ASYNC251 - what is to be noticed

            async def told() -> bool:
                return any(line["event"] == "loop.lagged" for line in logs)

            await until(told)
    said = (await client.request("GET", "/metrics", by=None)).text

    (lag,) = [float(line.split()[1]) for line in said.splitlines() if line.startswith("media_analysis_worker_loop")]
    assert lag > 1


def test_the_settings_say_how_much_runs_and_unknown_kinds_are_refused(settings: Settings) -> None:
    chosen = WorkerOptions.of(settings)

    assert chosen.heartbeat == HEARTBEAT
    assert chosen.look == HEARTBEAT / 3
    assert set(chosen.kinds) == {"probe", "frames", "contact_sheet", "analyze", "preview", "tiny"}
    with pytest.raises(UnknownKind):
        WorkerOptions.of(settings, ["sorcery"])


def test_by_default_a_dead_worker_is_replaced_within_twenty_seconds() -> None:
    default = WorkerOptions.of(Settings())

    assert default.heartbeat + default.look == timedelta(seconds=20)


@pytest.mark.parametrize("command", ["work", "serve"])
async def test_a_signal_grants_what_runs_its_grace(
    runtime: Runtime, source: MediaFile, environment: dict[str, str], database: str, tmp_path: Path, command: str
) -> None:
    granting = environment | {"WORKER_GRACE_SECONDS": "50", "SERVER_PORT": "0"}
    job = await queue_job(runtime, source, seconds=1)

    async with working(granting, tmp_path, command=command) as process:
        await until_status(database, job, "running")
        exit_code = await process.end(signal.SIGTERM)

    assert exit_code == 0
    assert (await jobs_of(database))[job.id]["status"] == "completed"
