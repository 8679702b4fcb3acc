"""Whoever changes something is told the truth of it, though the answer to its COMMIT was lost (promise 17)."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import Client, fetch
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy

DEADLINE_SECONDS = 4.0
GRACE_SECONDS = 6.0
"""The machine is shared; before, such a deletion took the ten seconds a command may take, and two more."""
FILES, JOBS = "/api/v1/files", "/api/v1/jobs"
HOLD = {"reason": "evidence"}


@dataclass(frozen=True)
class Change:
    """A request, what its transaction alone says to the server, and what it answers when all is well."""

    method: str
    path: str
    said: bytes
    status: int
    document: dict[str, Any] | None = None
    by: str = "alice"


CHANGES = {
    "delete": Change("DELETE", f"{FILES}/{{file}}", b"INSERT INTO tombstones", 204),
    "rename": Change("PATCH", f"{FILES}/{{file}}", b"renamed", 200, {"filename": "renamed"}),
    "hold": Change("PUT", f"{FILES}/{{file}}/hold", b"evidence", 200, HOLD),
    "create a job": Change(
        "POST", JOBS, b"INSERT INTO analysis_jobs", 202, {"name": "n", "kind": "probe", "source_file_ids": ["{file}"]}
    ),
    "cancel a job": Change("POST", f"{JOBS}/{{job}}/cancel", b"UPDATE analysis_jobs SET status", 200),
    "hold a job": Change("PUT", f"{JOBS}/{{job}}/hold", b"evidence", 200, HOLD),
    "delete a job": Change("DELETE", f"{JOBS}/{{job}}", b"INSERT INTO job_audit", 200),
    "open a session": Change(
        "POST", "/api/v1/sessions", b"carol", 201, {"owner": "carol", "ttl_seconds": 60}, by="admin"
    ),
    "pause": Change("POST", "/api/v1/storage/pauses", b"backup", 201, {"reason": "backup"}, by="admin"),
    "plan": Change("POST", "/api/v1/storage/plans", b"INSERT INTO plans", 201, {}, by="admin"),
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DATABASE_DEADLINE_SECONDS": str(DEADLINE_SECONDS), "DELETION_STRATEGY": "hard"}


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database) as opened:
        yield opened


@pytest.fixture
async def runtime(settings: Settings, proxy: CuttingProxy) -> AsyncIterator[Runtime]:
    """The services behind the proxy."""
    async with open_runtime(settings, proxy.url) as opened:
        yield opened


def filled(document: Any, ids: dict[str, str]) -> Any:
    match document:
        case str():
            return document.format(**ids)
        case list():
            return [filled(part, ids) for part in document]
        case dict():
            return {name: filled(part, ids) for name, part in document.items()}
    return document


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_that_was_committed_is_answered_as_one(client: Client, proxy: CuttingProxy, name: str) -> None:
    change = CHANGES[name]
    ids = {"file": (await client.upload())["id"]}
    asked = {"name": "n", "kind": "probe", "source_file_ids": [(await client.upload())["id"]]}
    ids["job"] = (await client.request("POST", JOBS, json=asked)).json()["id"] if "{job}" in change.path else ""

    proxy.arm(change.said)
    answer = await client.request(
        change.method, filled(change.path, ids), by=change.by, json=filled(change.document, ids)
    )

    assert (proxy.cuts, answer.status_code) == (1, change.status), answer.text


async def test_a_deletion_nobody_answers_to_is_told_inside_the_deadline(
    client: Client, proxy: CuttingProxy, database: str
) -> None:
    known = await client.upload()

    proxy.arm(b"INSERT INTO tombstones", silent=True)
    started = time.monotonic()
    answer = await client.request("DELETE", f"{FILES}/{known['id']}")
    took = time.monotonic() - started

    assert (proxy.cuts, answer.status_code) == (1, 204)
    assert len(await fetch(database, "SELECT FROM tombstones")) == 1
    assert took < DEADLINE_SECONDS + GRACE_SECONDS
