"""Records over HTTP: how long they are kept, and what must outlive that written out before it ends."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from media_analysis.db.ids import first_id
from media_analysis.records import export
from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.conftest import Client, execute

RECORDS = "/api/v1/storage/records"


async def lines(client: Client, kind: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.request("GET", f"{RECORDS}/{kind}/export", by="admin", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    assert not answer.text or answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_deletions_are_exported_before_they_end_in_order_and_in_full(
    client: Client, runtime: Runtime, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    files = [await client.upload(filename=f"ünï {number}\n.bin".replace("\n", "")) for number in range(5)]
    for number, file in enumerate(files):
        await client.request("DELETE", f"/api/v1/files/{file['id']}", params={"reason": "erasure"})
        ago = f"deleted_at - interval '{500 - number} days'"
        await execute(database, f"UPDATE tombstones SET deleted_at = {ago} WHERE id = '{file['id']}'")

    exported = await lines(client, "tombstones")
    newest = await lines(client, "tombstones", since=exported[3]["deleted_at"])
    older = await lines(client, "tombstones", before=exported[3]["deleted_at"])
    await runtime.records.end()

    assert [stone["id"] for stone in exported] == [file["id"] for file in files]
    assert {(stone["owner"], stone["rule"], stone["requested_by"]) for stone in exported} == {
        ("alice", "requested", "alice")
    }
    assert [stone["sha256"] for stone in exported] == [file["sha256"] for file in files]
    assert [stone["filename"] for stone in exported] == [file["filename"] for file in files]
    assert (older + newest, len(newest)) == (exported, 2)
    assert await lines(client, "tombstones") == []


async def test_acts_are_exported_by_when_they_were_done(client: Client, runtime: Runtime, database: str) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    acts_at = [(first_id(at + n * timedelta(hours=1)), at + n * timedelta(hours=1), n) for n in range(3)]
    values = ", ".join(f"('{row_id}', '{done_at}', 'a', 'held', '{{\"n\": {n}}}')" for row_id, done_at, n in acts_at)
    await execute(database, f"INSERT INTO audit_events (id, at, actor, action, details) VALUES {values}")

    acts = await lines(client, "audit")
    later = await lines(client, "audit", since=acts[1]["at"])

    assert [act["details"]["n"] for act in acts] == [0, 1, 2]
    assert later == acts[1:]
    assert await lines(client, "jobs") == []


async def test_what_may_still_be_added_to_is_not_exported(client: Client, runtime: Runtime) -> None:
    now = await runtime.db.now()
    file = await client.upload()
    await client.request("DELETE", f"/api/v1/files/{file['id']}")

    early = await client.request(
        "GET", f"{RECORDS}/tombstones/export", by="admin", params={"before": (now + timedelta(hours=1)).isoformat()}
    )
    empty = await client.request("GET", f"{RECORDS}/tombstones/export", by="admin", params={"since": now.isoformat()})

    assert refusal(early) == refusal(empty) == (422, "invalid_request")
    assert "before: at least 5 minutes ago" in early.json()["detail"]
    assert await lines(client, "tombstones") == []


async def test_lives_are_listed_for_administrators_alone(client: Client, runtime: Runtime) -> None:
    file = await client.upload()
    await client.request("DELETE", f"/api/v1/files/{file['id']}")

    items = (await client.request("GET", RECORDS, by="admin")).json()["items"]
    foreign = [await client.request("GET", path) for path in (RECORDS, f"{RECORDS}/audit/export")]

    metrics = (await client.request("GET", "/metrics", by=None)).text.splitlines()
    later = (await client.request("GET", RECORDS, by="admin")).json()["items"]
    lives = {item["name"]: item for item in items}
    # PostgreSQL tidies a table, and so changes its size, when it likes.
    sizes = {float(item["table_bytes"]) for item in (*items, *later) if item["name"] == "purges"}
    oldest = datetime.fromisoformat(lives["tombstones"]["oldest_at"]).timestamp()
    assert {f'record_table_bytes{{table="purges"}} {size}' for size in sizes} & set(metrics)
    assert 'records_ended{kind="tombstones"} 0.0' in metrics
    assert [float(line.split()[1]) for line in metrics if 'timestamp_seconds{kind="tombstones"}' in line] == [oldest]
    assert (lives["tombstones"]["life_seconds"], lives["tombstones"]["ended_before"]) == (400 * 86_400, None)
    assert datetime.fromisoformat(lives["tombstones"]["oldest_at"]) <= await runtime.db.now()
    assert lives["purges"]["table_bytes"] > 0
    assert [refusal(answer) for answer in foreign] == [(403, "admin_required")] * 2
