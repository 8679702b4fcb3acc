"""The service dies by kill -9 at every failpoint, comes back, and keeps every promise it made."""

from functools import partial
from pathlib import Path

import pytest

from media_analysis.failpoints import TRACE_VARIABLE
from tests.conftest import StartOver
from tests.crash.keeping import die_and_keep
from tests.crash.points import EACH, EVERYTHING, find_moments
from tests.crash.scenario import Scenario
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other, and that a worker looks for jobs."""
    return environment | {"STORAGE_CLEANUP_ENABLED": "false", "STORAGE_CLEANUP_WORKERS": "1"}


@pytest.mark.parametrize("when", EACH)
async def test_a_service_killed_at_any_moment_keeps_its_promises(
    when: str,
    environment: dict[str, str],
    database: str,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        assert await Scenario(service.http, database).play()

    oracle = partial(inspect_everything, database, tmp_path / "var" / "store")
    for moment in find_moments(trace, "life", when=when, kinds=EVERYTHING):
        with subtests.test(moment):
            await start_over()
            await die_and_keep(moment, environment, database, oracle)
