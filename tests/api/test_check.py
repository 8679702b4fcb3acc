"""Have you got this: contents that are stored already need not be sent."""

import hashlib
from typing import Any

import pytest

from media_analysis.files.queries import ContentDigest, find_contents
from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.conftest import Client, execute
from tests.plans import as_new, count_rows_read


def asked(*contents: bytes) -> dict[str, Any]:
    return {
        "items": [{"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)} for content in contents]
    }


async def check(client: Client, *contents: bytes, by: str = "alice") -> list[dict[str, Any]]:
    answer = await client.request("POST", "/api/v1/files/check", by=by, json=asked(*contents))
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_what_is_a_file_of_ones_own_is_said_in_the_order_asked(client: Client) -> None:
    first, second = await client.upload(b"first"), await client.upload(b"second", category="outputs")

    found = await check(client, b"second", b"third", b"first", b"second")

    assert [item["file_id"] for item in found] == [second["id"], None, first["id"], second["id"]]
    assert [item["expires_at"] for item in found] == [None, None, first["expires_at"], None]
    assert found[2]["sha256"] == first["sha256"]


async def test_files_of_others_are_never_told(client: Client) -> None:
    await client.upload(b"content", by="bob")

    assert [item["file_id"] for item in await check(client, b"content")] == [None]
    assert [item["file_id"] for item in await check(client, b"content", by="admin")] == [None]


async def test_only_what_lives_and_is_stored_is_had(client: Client, database: str) -> None:
    gone, over, trashed = [await client.upload(content) for content in (b"gone", b"over", b"trashed")]
    await client.request("DELETE", f"/api/v1/files/{gone['id']}")
    await client.request("DELETE", f"/api/v1/files/{trashed['id']}", params={"strategy": "soft"})
    await execute(database, f"UPDATE media_files SET expires_at = now(), due_at = now() WHERE id = '{over['id']}'")

    assert [item["file_id"] for item in await check(client, b"gone", b"over", b"trashed")] == [None] * 3


async def test_what_is_damaged_is_not_had(client: Client, database: str) -> None:
    """Whoever hears of it would delete the last whole copy there is."""
    damaged = await client.upload(b"content")
    await execute(database, f"UPDATE media_files SET last_error = 'missing' WHERE id = '{damaged['id']}'")

    before = await check(client, b"content")
    whole = await client.upload(b"content", ttl_seconds=60)

    assert [item["file_id"] for item in before] == [None]
    assert [item["file_id"] for item in await check(client, b"content")] == [whole["id"]]


async def test_of_several_the_one_that_stays_longest_is_told(client: Client) -> None:
    await client.upload(b"content", ttl_seconds=60)
    longest = await client.upload(b"content", expires_at="never")
    await client.upload(b"content", ttl_seconds=3600)

    assert [item["file_id"] for item in await check(client, b"content")] == [longest["id"]]


async def test_another_size_is_another_content(client: Client) -> None:
    file = await client.upload(b"content")
    wrong = {"items": [{"sha256": file["sha256"].upper(), "size_bytes": size} for size in (6, 7)]}

    answer = await client.request("POST", "/api/v1/files/check", json=wrong)

    assert [item["file_id"] for item in answer.json()["items"]] == [None, file["id"]]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"items": []},
        {"items": [{"sha256": "ab", "size_bytes": 1}]},
        {"items": [{"sha256": "0" * 64}]},
        {"items": [{"sha256": "0" * 64, "size_bytes": -1}]},
        *({"items": [{"sha256": "0" * 64, "size_bytes": size}]} for size in (True, "1", 1.5, None)),
        asked(*[bytes([number % 256, number // 256]) for number in range(1_001)]),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client: Client, document: dict[str, Any]) -> None:
    assert refusal(await client.request("POST", "/api/v1/files/check", json=document)) == (422, "invalid_request")


async def test_a_thousand_contents_may_be_asked_for_at_once(client: Client) -> None:
    file = await client.upload(b"content")

    found = await check(client, *[str(number).encode() for number in range(999)], b"content")

    assert [item["file_id"] for item in found if item["file_id"]] == [file["id"]]


async def test_what_others_have_of_the_same_bytes_is_not_read(client: Client, runtime: Runtime, database: str) -> None:
    file = await client.upload(b"content")
    await execute(
        database,
        "INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, sha256,"
        " reserved_bytes, expiry_explicit, stored_at)"
        " SELECT gen_random_uuid(), 'owner' || number, 'uploads', 'stored', 'k' || number, 'f', 't', 7,"
        f" decode('{file['sha256']}', 'hex'), 0, false, now() FROM generate_series(1, 3000) AS number",
        as_new("media_files"),
    )
    content = ContentDigest(bytes.fromhex(file["sha256"]), 7)

    async with runtime.db.read_only() as session:
        before = await count_rows_read(session)
        found = await find_contents(session, [content], owner="alice")
        read = await count_rows_read(session) - before
    await execute(database, "DELETE FROM media_files WHERE owner LIKE 'owner%'")

    assert str(found[content][0]) == file["id"]
    assert read <= 2
