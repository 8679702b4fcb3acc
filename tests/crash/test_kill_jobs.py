"""The service dies by kill -9 while jobs are created, held, claimed, ended and tried again, and keeps its word."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.crash.job_scenario import JobScenario
from tests.crash.points import JOB_KILLS, JOB_REACHED
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other."""
    return environment | {"STORAGE_CLEANUP_ENABLED": "false", "WORKER_ENABLED": "false", "ARCHIVE_ENABLED": "false"}


async def test_the_lives_of_jobs_reach_the_failpoints_that_are_listed(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        scenario = JobScenario(service.http)
        survived = await scenario.play()

    reached = Counter(line.rpartition(":")[0] for line in trace.read_text().splitlines())
    assert survived
    assert await scenario.broken(database) == []
    assert {point: hits for point, hits in reached.items() if point in JOB_REACHED} == JOB_REACHED


@pytest.mark.parametrize("moment", JOB_KILLS)
async def test_a_service_killed_in_the_middle_of_a_job_has_done_it_or_not(
    moment: str, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        scenario = JobScenario(service.http)
        survived = await scenario.play()
        ended = None if survived else await service.wait_for_death()

    assert ended == -signal.SIGKILL, f"{moment} was never reached"
    assert await scenario.broken(database) == []
    assert await inspect_everything(database, tmp_path / "var" / "store") == []
