"""The service dies by kill -9 while a run ends, and the next sweep ends it as if nothing had been."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import StartOver, execute, fetch
from tests.crash.points import find_moments
from tests.crash.scenario import clean_up
from tests.crash.service import served

pytestmark = pytest.mark.crash


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the test does."""
    return environment | {"STORAGE_CLEANUP_ENABLED": "false", "DELETION_STRATEGY": "soft", "WORKER_ENABLED": "false"}


async def test_a_service_killed_while_runs_end_ends_them_once(
    environment: dict[str, str], database: str, start_over: StartOver, subtests: pytest.Subtests, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        await _let_runs_end(service.http, database)
        await clean_up(service.http)

    for moment in find_moments(trace, "expiry"):
        with subtests.test(moment):
            await start_over()
            await _die_and_end_them_once(moment, environment, database)


async def _die_and_end_them_once(moment: str, environment: Mapping[str, str], database: str) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        over, thrown = await _let_runs_end(service.http, database)
        with pytest.raises(httpx.TransportError):
            await clean_up(service.http)
        ended = await service.wait_for_death()

    async with served(environment) as service:
        assert service.http is not None
        await clean_up(service.http)
        gone = [(await service.http.get(f"/jobs/{job_id}")).status_code for job_id in (over, thrown)]

    assert ended == -signal.SIGKILL
    assert gone == [410, 410]
    assert await fetch(database, "SELECT FROM analysis_results") == []
    told = await fetch(database, "SELECT job_id::text FROM job_audit ORDER BY job_id")
    assert [row["job_id"] for row in told] == [over, thrown]
    deleted = await fetch(database, "SELECT job_id::text FROM audit_events WHERE action = 'deleted'")
    assert [row["job_id"] for row in deleted] == [over]


async def _let_runs_end(http: httpx.AsyncClient, database: str) -> tuple[str, str]:
    """Return a run whose end has come, and one whose time in the trash is over."""
    over, thrown = await _analyse(http), await _analyse(http)
    await _send(http, "DELETE", f"/jobs/{thrown}")
    await execute(
        database,
        "UPDATE analysis_results SET expires_at = now() - interval '100 d'",
        f"UPDATE analysis_jobs SET expires_at = now() - interval '1 s' WHERE id = '{over}'",
        "UPDATE analysis_jobs SET restorable_until = now() - interval '1 s' WHERE restorable_until IS NOT NULL",
    )
    return over, thrown


async def _analyse(http: httpx.AsyncClient) -> str:
    """Let an analyser elsewhere run a job that brings one result."""
    params = {"category": "uploads", "filename": "a"}
    source = (await _send(http, "POST", "/files", params=params, content=b"abracadabra"))["id"]
    asked = {"name": "n", "kind": "external", "source_file_ids": [source], "parameters": {"analyser": "letters"}}
    await _send(http, "POST", "/jobs", json=asked)
    run = await _send(http, "POST", "/jobs/claims", json={"analysers": ["letters"], "worker": "w"})
    job_id: str = run["job_id"]
    await _send(http, "PUT", f"/jobs/{job_id}/results/letters", params={"fence": run["fence"]}, json={"a": 5})
    await _send(http, "POST", f"/jobs/{job_id}/finish", json={"fence": run["fence"]})
    return job_id


async def _send(http: httpx.AsyncClient, method: str, path: str, **about: Any) -> Any:
    answer = await http.request(method, path, **about)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None
