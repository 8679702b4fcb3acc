"""A service that dies at a moment of a scenario, comes back, and is held to what it said."""

import signal
from collections.abc import Mapping
from typing import Protocol

import httpx

from media_analysis.failpoints import KILL_VARIABLE
from tests.conftest import fetch
from tests.crash.scenario import KEYED_NAME, Promises, Scenario, clean_up, let_leases_lapse, upload_keyed
from tests.crash.service import served


class Inspect(Protocol):
    """Returns every violation, with what was acknowledged held against what is there."""

    async def __call__(self, *, acknowledged: Mapping[str, str]) -> list[str]: ...


async def die_and_keep(
    moment: str,
    environment: Mapping[str, str],
    database: str,
    inspect: Inspect,
    scenario: type[Scenario] = Scenario,
) -> None:
    """Play a scenario until its service is killed, start it again, and hold what it kept against what it said."""
    promises = await _live_until(moment, environment, database, scenario)
    left = await inspect(acknowledged=promises.kept)
    async with served(environment) as service:
        assert service.http is not None
        await let_leases_lapse(database)
        await clean_up(service.http)
        await _require_repeatable(service.http, database, promises)
        await _require_kept(service.http, promises)

    assert left == []
    assert await inspect(acknowledged=promises.kept) == []
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL AND NOT again") == []


async def _live_until(moment: str, environment: Mapping[str, str], database: str, played: type[Scenario]) -> Promises:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        if service.http is None:
            return Promises()
        scenario = played(service.http, database)
        survived = await scenario.play()
        # How often a worker asks for work depends on the machine: of many hits the last may not come.
        assert not survived or int(moment.rpartition(":")[2]) > 2, f"{moment} was never reached"
        if survived:
            service.running.kill()
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
