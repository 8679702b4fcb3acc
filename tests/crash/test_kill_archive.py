"""The service dies by kill -9 while it archives, restores and ends a run: originals complete or archive complete."""

import hashlib
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import StartOver, fetch
from tests.crash.archive_scenario import ArchiveScenario
from tests.crash.points import EACH, find_moments
from tests.crash.scenario import clean_up, let_leases_lapse
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other."""
    return environment | {
        "STORAGE_CLEANUP_ENABLED": "false",
        "STORAGE_CLEANUP_WORKERS": "1",
        "WORKER_ENABLED": "false",
        "ARCHIVE_ENABLED": "false",
    }


@pytest.mark.parametrize("when", EACH)
async def test_a_run_whose_service_is_killed_is_complete_in_one_place_or_gone_with_its_archive(
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
        scenario = ArchiveScenario(service.http, database)
        assert await scenario.play()
        left = [await scenario.read(file_id) for file_id in scenario.kept]

    assert left == [None] * len(scenario.kept)
    for moment in find_moments(trace, "archive", when=when):
        with subtests.test(moment):
            await start_over()
            await _die_and_be_whole(moment, environment, database, tmp_path / "var" / "store")


async def _die_and_be_whole(moment: str, environment: Mapping[str, str], database: str, store: Path) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        scenario = ArchiveScenario(service.http, database)
        survived = await scenario.play()
        ended = None if survived else await service.wait_for_death()
    left = await inspect_everything(database, store, acknowledged=scenario.kept)
    await let_leases_lapse(database)  # the archivist looks for tasks of the dead when it begins
    async with served(environment) as service:
        assert service.http is not None
        scenario.http = service.http
        await scenario.settle()
        await let_leases_lapse(database)
        await clean_up(service.http)
        for file_id, digest in scenario.kept.items():
            content = await scenario.read(file_id)
            if file_id in scenario.over:
                assert content is None, file_id
            gone = content is None and file_id in scenario.doubtful
            assert gone or hashlib.sha256(content or b"").hexdigest() == digest, file_id

    assert ended == -signal.SIGKILL, f"{moment} was never reached"
    assert left == []
    assert await inspect_everything(database, store, acknowledged=scenario.kept) == []
    if scenario.over >= scenario.kept.keys():
        assert not [path for path in (store / "archives").rglob("*") if path.is_file()]
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL") == []
