"""The service dies by kill -9 in the middle of what holds, trashes, restores and evicts, and keeps its word."""

import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.storage.category import Category
from tests.conftest import OpenRuntime, StartOver, fetch
from tests.crash.points import EACH, OWN, find_moments
from tests.crash.retention_scenario import SETTINGS, RetentionScenario, Told
from tests.crash.scenario import clean_up, let_leases_lapse
from tests.crash.service import returned, served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash
KINDS = OWN["retention"] | {"delete", "job"}
"""Files and jobs go here into the trash, from there, and as a plan says: that is more than the other scenarios do."""
_STANDING = """
    SELECT id::text, coalesce(held_until > now(), false) AS held FROM media_files WHERE id = ANY($1::uuid[])
"""
_OVERWRITTEN = "SELECT id::text FROM tombstones WHERE method = 'overwrite_best_effort' AND purged_at IS NOT NULL"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other."""
    never = "0 0 1 1 *"
    schedules = {f"STORAGE_CLEANUP_SCHEDULE_{category.name}": never for category in Category}
    quiet = {"STORAGE_CLEANUP_RUN_AT_START": "false", "STORAGE_PRESSURE_SCHEDULE": never, "ARCHIVE_ENABLED": "false"}
    return environment | SETTINGS | schedules | quiet | {"STORAGE_CLEANUP_WORKERS": "1", "WORKER_ENABLED": "false"}


@pytest.mark.parametrize("when", EACH)
async def test_a_service_killed_while_it_retains_keeps_its_word(
    when: str,
    environment: dict[str, str],
    database: str,
    open_here: OpenRuntime,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        scenario = RetentionScenario(service.http, database)
        assert await scenario.play()
        await _require_kept(service.http, database, scenario.told)

    for moment in find_moments(trace, "retention", when=when, kinds=KINDS):
        with subtests.test(moment):
            await start_over()
            await _die_and_keep(moment, environment, open_here, database, tmp_path / "var" / "store")


async def _die_and_keep(
    moment: str, environment: Mapping[str, str], open_here: OpenRuntime, database: str, store: Path
) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        scenario = RetentionScenario(service.http, database)
        survived = await scenario.play()
        ended = None if survived else await service.wait_for_death()
    left = await inspect_everything(database, store, acknowledged=scenario.told.kept)
    async with open_here() as runtime, returned(runtime) as http:
        await let_leases_lapse(database)
        await clean_up(http)
        await _require_kept(http, database, scenario.told)

    assert ended == -signal.SIGKILL, f"{moment} was never reached"
    assert left == []
    assert await inspect_everything(database, store, acknowledged=scenario.told.kept) == []
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL") == []


async def _require_kept(http: httpx.AsyncClient, database: str, told: Told) -> None:
    for file_id, expected in told.content.items():
        answer = await http.get(f"/files/{file_id}/content")
        assert answer.status_code in expected, answer.text
    for job, expected in told.jobs.items():
        answer = await http.get(job)
        assert answer.status_code in expected, answer.text
    for row in await fetch(database, _STANDING, list(told.held)):
        assert row["held"] in told.held[row["id"]]
    assert told.overwritten <= {row["id"] for row in await fetch(database, _OVERWRITTEN)}
