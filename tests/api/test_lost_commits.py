"""Whoever changes something is told the truth of it, though the answer to its COMMIT was lost (promise 17)."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from media_analysis.policy.in_force import activate
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.api.analysers import Analyser, ask
from tests.conftest import Client, fetch
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy

DEADLINE_SECONDS = 4
COMMAND_SECONDS = 60
"""What a command may take, which such a deletion took before; the machine is shared."""
FILES, JOBS = "/api/v1/files", "/api/v1/jobs"
SESSION, RESTORE = "/api/v1/sessions/{session}", f"{FILES}/{{file}}/restore"
RESTORE_JOB, ARCHIVE = f"{JOBS}/{{ended}}/restore", f"{JOBS}/{{ended}}/archive"
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
    "prolong a session": Change("PATCH", SESSION, b"UPDATE user_sessions SET", 200, {"ttl_seconds": 90}, by="admin"),
    "restore": Change("POST", RESTORE, b"restored", 200),
    "restore a job": Change("POST", RESTORE_JOB, b"UPDATE analysis_jobs SET deleted_at = NULL", 200),
    "archive": Change("POST", ARCHIVE, b"INSERT INTO archive_tasks", 202),
}
RUNS: dict[str, tuple[bytes, Callable[[Analyser], Awaitable[Any]], int]] = {
    "heartbeat": (b"UPDATE analysis_jobs", lambda analyser: analyser.tell("heartbeat", progress=0.5), 200),
    "register a product": (b"INSERT INTO media_files", lambda analyser: analyser.add(), 202),
    "settle a product": (b"UPDATE media_files", lambda analyser: analyser.add(), 202),
    "put a result": (b"INSERT INTO analysis_results", lambda analyser: analyser.put(), 204),
    "finish": (b"UPDATE analysis_jobs", lambda analyser: analyser.tell("finish"), 200),
    "fail": (b"UPDATE analysis_jobs", lambda analyser: analyser.tell("fail", code="c", detail="d"), 200),
}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": "hard"}


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


async def open_session(client: Client, _file: str) -> dict[str, str]:
    asked = {"owner": "carol", "ttl_seconds": 60}
    return {"session": (await client.request("POST", "/api/v1/sessions", by="admin", json=asked)).json()["id"]}


async def trash(client: Client, file: str) -> dict[str, str]:
    await client.request("DELETE", f"{FILES}/{file}", params={"strategy": "soft"})
    return {}


async def end_job(client: Client, _file: str) -> dict[str, str]:
    analyser = Analyser(client)
    job = await ask(client)
    await analyser.claim()
    await analyser.add()
    await analyser.tell("finish")
    return {"ended": job["id"]}


async def trash_job(client: Client, file: str) -> dict[str, str]:
    ended = (await end_job(client, file))["ended"]
    await client.request("DELETE", f"{JOBS}/{ended}", params={"strategy": "soft"})
    return {"ended": ended}


PREPARED: dict[str, Callable[[Client, str], Awaitable[dict[str, str]]]] = {
    SESSION: open_session,
    RESTORE: trash,
    RESTORE_JOB: trash_job,
    ARCHIVE: end_job,
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_that_was_committed_is_answered_as_one(client: Client, proxy: CuttingProxy, name: str) -> None:
    change = CHANGES[name]
    ids = {"file": (await client.upload())["id"]}
    asked = {"name": "n", "kind": "probe", "source_file_ids": [(await client.upload())["id"]]}
    ids["job"] = (await client.request("POST", JOBS, json=asked)).json()["id"] if "{job}" in change.path else ""
    if change.path in PREPARED:
        ids |= await PREPARED[change.path](client, ids["file"])

    proxy.arm(change.said)
    answer = await client.request(
        change.method, filled(change.path, ids), by=change.by, json=filled(change.document, ids)
    )

    assert (proxy.cuts, answer.status_code) == (1, change.status), answer.text


@pytest.mark.parametrize("name", RUNS)
async def test_an_external_analyser_is_told_what_was_committed(client: Client, proxy: CuttingProxy, name: str) -> None:
    said, act, status = RUNS[name]
    analyser = Analyser(client)
    await ask(client)
    await analyser.claim()

    proxy.arm(said)
    answer = await act(analyser)

    assert (proxy.cuts, answer.status_code) == (1, status), answer.text


async def test_a_claim_that_was_committed_is_the_analysers(client: Client, proxy: CuttingProxy) -> None:
    analyser = Analyser(client)
    await ask(client)

    proxy.arm(b"UPDATE analysis_jobs")
    claimed = await analyser.claim()

    assert (proxy.cuts, claimed) == (1, 200)
    assert (await analyser.tell("finish")).status_code == 200


async def test_a_policy_that_was_committed_is_in_force(runtime: Runtime, proxy: CuttingProxy) -> None:
    in_force = (await runtime.retention.policies.in_force()).policy
    clips = replace(in_force.of(Category.CLIPS), lifetime=timedelta(hours=2))
    wanted = replace(in_force, rules={**in_force.rules, Category.CLIPS: clips})

    proxy.arm(b"policy_activated")
    async with runtime.db.transaction() as session:
        await activate(session, wanted, actor="admin")

    assert proxy.cuts == 1
    assert (await runtime.retention.policies.in_force()).policy == wanted


class TestSilence:
    """A service that gives a request four seconds, and a command a minute."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {
            "DATABASE_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
            "DATABASE_COMMAND_TIMEOUT_SECONDS": str(COMMAND_SECONDS),
        }

    async def test_a_deletion_nobody_answers_to_is_told_inside_the_deadline(
        self, client: Client, proxy: CuttingProxy, database: str
    ) -> None:
        known = await client.upload()

        proxy.arm(b"INSERT INTO tombstones", silent=True)
        started = time.monotonic()
        answer = await client.request("DELETE", f"{FILES}/{known['id']}")
        took = time.monotonic() - started

        assert (proxy.cuts, answer.status_code) == (1, 204)
        assert len(await fetch(database, "SELECT FROM tombstones")) == 1
        assert took < COMMAND_SECONDS
