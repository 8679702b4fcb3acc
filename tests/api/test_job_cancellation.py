"""Cancelling many jobs that wait: all that fit, none besides, by sets and in batches."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from media_analysis.jobs import control
from media_analysis.jobs.queries import JobFilter
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in
from tests.api.jobs import URL, begin, create, stage
from tests.conftest import Client, fetch

STATUSES = "SELECT status::text, count(*) FROM analysis_jobs GROUP BY 1 ORDER BY 1"
OUTCOMES = "SELECT to_jsonb(job) AS job FROM analysis_jobs AS job WHERE id = ANY($1::uuid[])"
OWN = {"id", "folder_name", "created_at", "completed_at", "expires_at", "pinned_until"}
"""Columns in which jobs differ that were made and cancelled one after another."""


async def cancel(client: Client, *, by: str = "alice", **query: Any) -> int:
    answer = await client.request("DELETE", URL, by=by, params={"status": "pending"} | query)
    assert answer.status_code == 200, answer.text
    cancelled: int = answer.json()["cancelled"]
    return cancelled


async def counts(database: str) -> dict[str, int]:
    return {row[0]: row[1] for row in await fetch(database, STATUSES)}


async def events_of(database: str, job: dict[str, Any]) -> list[str]:
    query = "SELECT number || ' ' || data::text FROM job_events WHERE job_id = $1 ORDER BY number"
    return [row[0] for row in await fetch(database, query, UUID(job["id"]))]


async def test_many_jobs_end_as_one_that_is_cancelled_alone(client: Client, runtime: Runtime, database: str) -> None:
    source = (await client.upload())["id"]
    alone, *many = [await create(client, source_file_ids=[source], ttl_seconds=60) for _ in range(4)]
    tried = await create(client, source_file_ids=[source])
    fence = await begin(runtime, tried)
    await stage(runtime, tried, fence, [0])
    await runtime.jobs.attempts.hand_back(UUID(tried["id"]), fence=fence, failure=None, delay=timedelta(hours=1))
    running = await create(client, source_file_ids=[source])
    await begin(runtime, running)
    await create(client, kind="frames", source_file_ids=[source])
    await create(client, by="bob")
    await client.request("POST", f"{URL}/{alone['id']}/cancel")

    cancelled = await cancel(client, kind="probe")
    again = await cancel(client, kind="probe")

    assert (cancelled, again) == (4, 0)
    assert await counts(database) == {"cancelled": 5, "pending": 2, "running": 1}
    rows = [row["job"] for row in await fetch(database, OUTCOMES, [UUID(job["id"]) for job in (alone, *many)])]
    outcomes = [{name: value for name, value in _decoded(row).items() if name not in OWN} for row in rows]
    assert outcomes == [outcomes[0]] * 4
    for row in map(_decoded, rows):
        kept = datetime.fromisoformat(row["expires_at"]) - datetime.fromisoformat(row["completed_at"])
        assert kept == timedelta(seconds=60)
    assert await events_of(database, many[0]) == await events_of(database, alone)
    assert await fetch(database, "SELECT FROM media_files WHERE state = 'pending'") == []
    assert len(await fetch(database, "SELECT FROM job_sources WHERE until IS NOT NULL")) == 3


def _decoded(row: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(row)
    return decoded


async def test_sources_are_let_go_with_the_last_of_many(client: Client, database: str) -> None:
    for _ in range(2):
        await create(client, source_file_ids=[(await client.upload())["id"]])

    await cancel(client)

    assert await fetch(database, "SELECT FROM media_files WHERE leased_until IS NOT NULL") == []


@pytest.mark.parametrize(
    ("by", "query", "refused"),
    [
        ("alice", {}, (422, "invalid_request")),
        ("alice", {"kind": "probe"}, (422, "invalid_request")),
        ("alice", {"status": "running"}, (422, "invalid_request")),
        ("alice", {"status": ["running", "pending"]}, (422, "invalid_request")),
        ("alice", {"status": "pending", "kind": ["frames", "probe"]}, (422, "invalid_request")),
        ("alice", {"status": "pending", "kinds": "frames"}, (422, "invalid_request")),
        ("alice", {"status": "pending", "limit": "1"}, (422, "invalid_request")),
        ("alice", {"status": "pending", "owner": "bob"}, (403, "admin_required")),
        ("alice", {"status": "pending", "everyone": "true"}, (403, "admin_required")),
        ("admin", {"status": "pending"}, (422, "invalid_request")),
        ("admin", {"status": "pending", "everyone": "false"}, (422, "invalid_request")),
        ("admin", {"status": "pending", "everyone": "true", "owner": "bob"}, (422, "invalid_request")),
    ],
)
async def test_no_accident_cancels_more_than_was_meant(
    client: Client, database: str, by: str, query: dict[str, Any], refused: tuple[int, str]
) -> None:
    await create(client)
    await create(client, by="bob")

    answer = await client.request("DELETE", URL, by=by, params=query)

    assert (answer.status_code, problem_in(answer)["code"]) == refused
    assert await counts(database) == {"pending": 2}


async def test_an_administrator_cancels_those_of_an_owner_or_of_everyone(client: Client, database: str) -> None:
    for by in ("alice", "bob", "bob", "admin"):
        await create(client, by=by)

    bobs = await cancel(client, by="admin", owner="bob")
    mine = await cancel(client, owner="alice", created_before="2020-01-01T00:00:00Z")
    rest = await cancel(client, by="admin", everyone="true")

    assert (bobs, mine, rest) == (2, 0, 2)
    assert await counts(database) == {"cancelled": 4}


async def test_batches_beside_claims_leave_every_job_either_cancelled_or_running(
    client: Client, runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "BATCH", 3)
    source = (await client.upload())["id"]
    jobs = [await create(client, source_file_ids=[source]) for _ in range(12)]

    async def claim() -> int:
        return len((await runtime.jobs.claims.claim(["probe"], worker="w")).attempts)

    cancelled, *begun = await asyncio.gather(cancel(client), *(claim() for _ in jobs))

    claimed = sum(begun)
    assert cancelled + claimed == 12
    assert await counts(database) == {
        status: number for status, number in (("cancelled", cancelled), ("running", claimed)) if number
    }


async def test_a_batch_asks_as_often_for_many_jobs_as_for_few(client: Client, runtime: Runtime) -> None:
    statements: list[str] = []
    source = (await client.upload())["id"]

    asked = []
    for number in (2, 12):
        for _ in range(number):
            await create(client, source_file_ids=[source])
        event.listen(
            runtime.db.engine.sync_engine,
            "before_cursor_execute",
            note := lambda _connection, _cursor, statement, *_: statements.append(statement),
        )
        await runtime.jobs.control.cancel_waiting(JobFilter(owner="alice"))
        event.remove(runtime.db.engine.sync_engine, "before_cursor_execute", note)
        asked.append(len(statements))
        statements.clear()

    assert asked[0] == asked[1] > 0
