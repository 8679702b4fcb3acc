"""The service dies by kill -9 while somebody brings a file by a link: one file comes by it, whenever that was."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.conftest import StartOver, fetch
from tests.crash.points import EACH, find_moments
from tests.crash.scenario import clean_up, let_leases_lapse
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash
CONTENT = bytes(range(256)) * 2_000
COMMITTED = "upload.settled:1"
"""Where there is a file, and nobody was told."""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"STORAGE_CLEANUP_ENABLED": "false", "WORKER_ENABLED": "false"}


async def invite(http: httpx.AsyncClient) -> str:
    asked = {"category": "uploads", "max_bytes": len(CONTENT), "filename": "theirs.bin"}
    made = await http.post("/uploads/links", json=asked)
    assert made.status_code == 201, made.text
    path: str = httpx.URL(made.json()["url"]).path
    return path


async def bring(http: httpx.AsyncClient, path: str) -> httpx.Response | None:
    """Return the answer to the bytes of a link, None where nobody answered."""
    try:
        return await http.put(http.base_url.copy_with(path=path), content=CONTENT)
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("when", EACH)
async def test_a_link_is_used_once_wherever_the_service_was_killed(
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
        answer = await bring(service.http, await invite(service.http))
        assert answer is not None
        assert answer.status_code == 201

    moments = [*find_moments(trace, "links"), COMMITTED]
    if when != "first":
        moments = sorted({*find_moments(trace, None, kinds={"upload"})} - {*moments})
    for moment in moments:
        with subtests.test(moment):
            await start_over()
            await _die_and_bring(moment, environment, database, tmp_path / "var" / "store")


async def _die_and_bring(moment: str, environment: Mapping[str, str], database: str, store: Path) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        path = await invite(service.http)
        assert await bring(service.http, path) is None, f"{moment} was never reached"
        assert await service.wait_for_death() == -signal.SIGKILL
    (left,) = await _links(database)
    async with served(environment) as service:
        assert service.http is not None
        await let_leases_lapse(database)
        answers = [await bring(service.http, path) for _ in range(2)]
        await clean_up(service.http)
    (used,) = await _links(database)
    files = await fetch(database, "SELECT id, state::text FROM media_files")
    told = await fetch(database, "SELECT file_id FROM audit_events WHERE action = 'link_used'")

    assert left["is_used"] is (moment == COMMITTED)
    assert [answer and answer.status_code for answer in answers] == [410 if left["is_used"] else 201, 410]
    assert used["is_used"]
    assert [(row["id"], row["state"]) for row in files] == [(used["file_id"], "stored")]
    assert [row["file_id"] for row in told] == [used["file_id"]]
    assert await inspect_everything(database, store) == []


async def _links(database: str) -> list[Any]:
    return await fetch(database, "SELECT file_id, used_at IS NOT NULL AS is_used FROM links")
