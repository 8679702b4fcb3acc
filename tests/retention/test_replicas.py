"""Three service processes on one database and one store, one of them killed in the middle of a sweep."""

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.scheduler.appointments import Appointment, planned_sweeps
from media_analysis.settings import Settings, configured_policy
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch
from tests.crash.service import served
from tests.disks import disk_of
from tests.files.conftest import eventually, objects
from tests.retention.conftest import FUTURE, Plant, buried, let_purges_lapse, living
from tests.scheduler.duties import fall_due, keep_as

pytestmark = pytest.mark.crash
FILES = 1_500
MORE = 300


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"STORAGE_CLEANUP_BATCH_SIZE": "100", "STORAGE_CLEANUP_RUN_AT_START": "false"}


async def clean_up(http: httpx.AsyncClient) -> dict[str, Any] | None:
    """Sweep through one replica; None when it died of it."""
    try:
        answer = await http.post("/storage/cleanup", params={"dry_run": "false"})
    except httpx.TransportError:
        return None
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def has_begun(database: str) -> bool:
    return bool(await buried(database))


@pytest.mark.parametrize("moment", ["delete.claimed:3", "delete.purged:3"])
async def test_each_file_goes_once_though_a_replica_is_killed_mid_sweep(
    moment: str, runtime: Runtime, plant: Plant, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    due = await plant(FILES, category=Category.TEMP)
    kept = await plant(20, ends_in=FUTURE)
    shared = environment | {"STORAGE_BASE_PATH": str(disk_of(runtime.store).root)}

    async with AsyncExitStack() as stack:
        replicas = []
        for number in range(3):
            own = shared | {"MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / f"replica-{number}")}
            doom = {KILL_VARIABLE: moment} if number == 0 else {}
            replicas.append(await stack.enter_async_context(served(own, **doom)))
        clients = [replica.http for replica in replicas if replica.http is not None]

        async def die() -> None:
            while await clean_up(clients[0]) is not None:
                due.extend(await plant(MORE, category=Category.TEMP))  # the others left it too little to die of

        doomed = asyncio.create_task(die())
        await eventually(lambda: has_begun(database))
        outcomes = await asyncio.gather(*(clean_up(http) for http in clients[1:]))
        async with asyncio.timeout(60):
            await doomed
        assert await replicas[0].wait_for_death() == -signal.SIGKILL
        await let_purges_lapse(database)
        last = await clean_up(clients[1])

    assert last is not None
    assert await living(database) == set(kept)
    assert await buried(database) == set(due)
    assert len(await fetch(database, "SELECT FROM tombstones")) == len(due)
    assert len(objects(disk_of(runtime.store).root)) == len(kept)
    assert await fetch(database, "SELECT FROM purges WHERE confirmed_at IS NULL") == []
    # Of two that begin beside each other on a busy machine, the later may find nothing left.
    assert any(outcome["total_files_removed"] > 0 for outcome in outcomes if outcome is not None)


async def test_three_replicas_answer_each_tick_of_the_schedule_once(
    runtime: Runtime, settings: Settings, database: str
) -> None:
    planned = planned_sweeps(configured_policy(settings))
    await execute(database, "DELETE FROM sweeps")

    async with open_runtime(settings, database) as second, open_runtime(settings, database) as third:
        for cron, request in planned:
            appointment = Appointment.of_sweep(cron, request)
            await fall_due(runtime, appointment)
            await asyncio.gather(*(keep_as(replica, appointment) for replica in (runtime, second, third)))

    rows = await fetch(database, "SELECT kind, slot, status::text FROM sweeps")
    assert len(rows) == len({(row["kind"], row["slot"]) for row in rows}) == len(planned)
    assert {row["status"] for row in rows} == {"completed"}
