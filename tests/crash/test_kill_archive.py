"""The service dies by kill -9 while it archives, restores and ends a run: originals complete or archive complete."""

import hashlib
import signal
from collections import Counter
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import fetch
from tests.crash.archive_scenario import ArchiveScenario
from tests.crash.points import ARCHIVE_KILLS, ARCHIVE_REACHED, ARCHIVE_TRASH_KILLS, once_each
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


async def test_the_life_of_a_run_reaches_the_failpoints_that_are_listed(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        scenario = ArchiveScenario(service.http, database)
        survived = await scenario.play()
        left = [await scenario.read(file_id) for file_id in scenario.kept]

    reached = Counter(line.rpartition(":")[0] for line in trace.read_text().splitlines())
    assert survived
    assert left == [None] * len(scenario.kept)
    assert {point: hits for point, hits in reached.items() if point in ARCHIVE_REACHED} == ARCHIVE_REACHED


@pytest.mark.parametrize("moment", once_each(ARCHIVE_KILLS))
async def test_a_run_whose_service_is_killed_is_complete_in_one_place(
    moment: str, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    store = tmp_path / "var" / "store"

    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        scenario = ArchiveScenario(service.http, database)
        survived = await scenario.play()
        ended = None if survived else await service.wait_for_death()
    left = await inspect_everything(database, store, acknowledged=scenario.kept)
    async with served(environment) as service:
        assert service.http is not None
        scenario.http = service.http
        await let_leases_lapse(database)
        await scenario.settle()
        await let_leases_lapse(database)
        await clean_up(service.http)
        for file_id, digest in scenario.kept.items():
            content = await scenario.read(file_id)
            gone = content is None and file_id in scenario.doubtful
            assert gone or hashlib.sha256(content or b"").hexdigest() == digest, file_id

    assert ended == -signal.SIGKILL, f"{moment} was never reached"
    assert left == []
    assert await inspect_everything(database, store, acknowledged=scenario.kept) == []
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL") == []


@pytest.mark.parametrize("moment", ARCHIVE_TRASH_KILLS)
async def test_a_run_whose_service_is_killed_as_it_leaves_the_trash_goes_whole_with_its_archive(
    moment: str, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    store = tmp_path / "var" / "store"

    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        scenario = ArchiveScenario(service.http, database)
        survived = await scenario.play_into_the_trash()
        ended = None if survived else await service.wait_for_death()
    left = await inspect_everything(database, store)
    async with served(environment) as service:
        assert service.http is not None
        scenario.http = service.http
        await let_leases_lapse(database)
        await clean_up(service.http)
        contents = [await scenario.read(file_id) for file_id in scenario.kept]

    assert ended == -signal.SIGKILL, f"{moment} was never reached"
    assert left == []
    assert contents == [None] * len(scenario.kept)
    assert await inspect_everything(database, store) == []
    assert not [path for path in (store / "archives").rglob("*") if path.is_file()]
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL") == []
