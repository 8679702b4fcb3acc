"""The service dies by kill -9 at every failpoint, comes back, and keeps every promise it made."""

import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import StartOver, fetch
from tests.crash.points import EACH, EVERYTHING, find_moments
from tests.crash.scenario import KEYED_NAME, Promises, Scenario, clean_up, let_leases_lapse, upload_keyed
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other."""
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

    for moment in find_moments(trace, "life", when=when, kinds=EVERYTHING):
        with subtests.test(moment):
            await start_over()
            await _die_and_keep(moment, environment, database, tmp_path / "var" / "store")


async def _die_and_keep(moment: str, environment: Mapping[str, str], database: str, store: Path) -> None:
    promises = await _live_until(moment, environment, database)
    left = await inspect_everything(database, store, acknowledged=promises.kept)
    async with served(environment) as service:
        assert service.http is not None
        await let_leases_lapse(database)
        await clean_up(service.http)
        await _require_repeatable(service.http, database, promises)
        await _require_kept(service.http, promises)

    assert left == []
    assert await inspect_everything(database, store, acknowledged=promises.kept) == []
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL") == []


async def _live_until(moment: str, environment: Mapping[str, str], database: str) -> Promises:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        if service.http is None:
            return Promises()
        scenario = Scenario(service.http, database)
        survived = await scenario.play()
        assert not survived, f"{moment} was never reached"
        assert await service.wait_for_death() == -signal.SIGKILL
        return scenario.promises


async def _require_repeatable(http: httpx.AsyncClient, database: str, promises: Promises) -> None:
    """Promise 16: one file, and the answer that was given."""
    repeated = await upload_keyed(http)
    assert promises.keyed in (None, repeated)
    assert await upload_keyed(http) == repeated
    promises.kept[repeated["id"]] = repeated["sha256"]
    assert len(await fetch(database, "SELECT id FROM media_files WHERE filename = $1", KEYED_NAME)) == 1


async def _require_kept(http: httpx.AsyncClient, promises: Promises) -> None:
    for file_id in promises.kept:
        answer = await http.get(f"/files/{file_id}/content")
        if file_id in promises.deleted | promises.expired:
            assert answer.status_code == 410, answer.text
        elif file_id in promises.asked:
            assert answer.status_code in {200, 410}, answer.text
        else:
            assert answer.status_code == 200, answer.text
