"""The service dies by kill -9 while jobs are created, held, claimed, ended and tried again, and keeps its word."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import StartOver
from tests.crash.job_scenario import JobScenario
from tests.crash.points import find_moments
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other."""
    return environment | {"STORAGE_CLEANUP_ENABLED": "false", "WORKER_ENABLED": "false", "ARCHIVE_ENABLED": "false"}


async def test_a_service_killed_in_the_middle_of_a_job_has_done_it_or_not(
    environment: dict[str, str], database: str, start_over: StartOver, subtests: pytest.Subtests, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        scenario = JobScenario(service.http)
        assert await scenario.play()

    assert await scenario.broken(database) == []
    for moment in find_moments(trace, "jobs"):
        with subtests.test(moment):
            await start_over()
            await _die_and_keep(moment, environment, database, tmp_path / "var" / "store")


async def _die_and_keep(moment: str, environment: Mapping[str, str], database: str, store: Path) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        scenario = JobScenario(service.http)
        survived = await scenario.play()
        ended = None if survived else await service.wait_for_death()

    assert ended == -signal.SIGKILL, f"{moment} was never reached"
    assert await scenario.broken(database) == []
    assert await inspect_everything(database, store) == []
