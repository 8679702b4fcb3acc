"""The trail over HTTP: tombstones page by page, the audit trail, and that nobody can rewrite it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from media_analysis.db.ids import first_id
from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.api.conftest import Expire
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of

DELETIONS = "/api/v1/deletions"
AUDIT = "/api/v1/audit"
FILES = "/api/v1/files"
FIELDS = {
    *("file_id", "owner", "category", "filename", "size_bytes", "sha256", "created_at", "expires_at", "deleted_at"),
    *(
        "trashed_at",
        "rule",
        "reason",
        "actor",
        "sweep_id",
        "policy_version",
        "restorable_until",
        "method",
        "versions_kept",
        "purged",
        "labels",
    ),
    "job_id",
}


async def items(client: Client, path: str, *, by: str = "alice", **query: Any) -> list[dict[str, Any]]:
    answer = await client.request("GET", path, by=by, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def pages(client: Client, path: str, *, by: str, **query: Any) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.request("GET", path, by=by, params=query | cursor)).json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def delete(client: Client, file: dict[str, Any], *, by: str = "alice") -> None:
    assert (await client.request("DELETE", f"{FILES}/{file['id']}", by=by)).status_code == 204


async def clean_up(client: Client) -> str:
    """Sweep and return the sweep's id."""
    sweep_id: str = (await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")).json()["id"]
    return sweep_id


async def test_a_deletion_is_told_in_full_to_its_owner_and_to_administrators(client: Client) -> None:
    file = await client.upload(filename="seen.bin")
    await delete(client, file)

    (mine,) = await items(client, DELETIONS)
    (theirs,) = await items(client, DELETIONS, by="admin")

    assert mine.keys() == FIELDS
    assert theirs == mine
    same = ("owner", "category", "filename", "size_bytes", "sha256", "created_at", "expires_at", "job_id")
    assert {name: mine[name] for name in same} == {name: file[name] for name in same}
    assert (mine["file_id"], mine["rule"], mine["actor"], mine["method"]) == (
        file["id"],
        "requested",
        "alice",
        "unlink",
    )
    assert (mine["purged"], mine["sweep_id"], mine["trashed_at"]) == (True, None, None)
    assert await items(client, DELETIONS, by="bob") == []


async def test_bytes_that_still_lie_there_are_not_called_purged(
    client: Client, runtime: Runtime, database: str
) -> None:
    file = await client.upload()
    (row,) = await fetch(database, "SELECT key FROM media_files")
    path = disk_of(runtime.store).root / row["key"]
    path.unlink()
    path.mkdir()

    await delete(client, file)
    stuck = (await items(client, DELETIONS))[0]["purged"]
    path.rmdir()
    await execute(database, "UPDATE purges SET due_at = now() WHERE confirmed_at IS NULL")
    await clean_up(client)

    assert (stuck, (await items(client, DELETIONS))[0]["purged"]) == (False, True)


async def test_filters_narrow_the_list_of_deletions(client: Client, expire: Expire) -> None:
    first, swept, clip = (
        await client.upload(filename="first"),
        await client.upload(filename="swept", ttl_seconds=60),
        await client.upload(filename="clip", category="clips", by="bob"),
    )
    await delete(client, first)
    await expire(swept)
    sweep_id = await clean_up(client)
    await delete(client, clip, by="bob")
    instants = {item["filename"]: item["deleted_at"] for item in await items(client, DELETIONS, by="admin")}

    async def names(by: str = "admin", **query: Any) -> list[str]:
        return [item["filename"] for item in await items(client, DELETIONS, by=by, **query)]

    assert await names() == ["clip", "swept", "first"]
    assert await names(category="clips") == ["clip"]
    assert await names(owner="alice") == ["swept", "first"]
    assert await names(by="alice", owner="bob") == ["swept", "first"]
    assert await names(rule="explicit_expiry") == ["swept"]
    assert await names(sweep_id=sweep_id) == await names(by="alice", sweep_id=sweep_id) == ["swept"]
    assert await names(by="bob", sweep_id=sweep_id) == await names(sweep_id=str(uuid4())) == []
    assert await names(since=instants["swept"]) == ["clip", "swept"]
    assert await names(before=instants["swept"]) == ["first"]
    assert await names(since=instants["swept"], before=instants["clip"]) == ["swept"]


async def test_an_upload_that_never_ended_is_told_to_administrators_only(client: Client, database: str) -> None:
    await execute(
        database,
        "INSERT INTO media_files"
        " (id, owner, category, state, key, filename, media_type, reserved_bytes, expiry_explicit, due_at) VALUES"
        f" ('{uuid7()}', 'alice', 'temp', 'pending', 'temp/x', 'x', 'text/plain', 0, false, now() - interval '1 hour')",
        "INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes) VALUES ('alice', 'temp', 0, 0, 0)",
    )

    await clean_up(client)

    assert await items(client, DELETIONS) == []
    assert [item["rule"] for item in await items(client, DELETIONS, by="admin")] == ["upload_abandoned"]


async def test_pages_of_deletions_walk_each_of_them_once_although_many_fell_at_one_instant(
    client: Client, expire: Expire
) -> None:
    files = [await client.upload() for _ in range(5)]
    for file in files:
        await expire(file)
    await clean_up(client)
    for _ in range(2):
        await delete(client, await client.upload())

    walked = await pages(client, DELETIONS, by="alice", limit=3)

    assert [len(page) for page in walked] == [3, 3, 1]
    assert len({item["file_id"] for page in walked for item in page}) == 7
    assert [item for page in walked for item in page] == await items(client, DELETIONS)


GARBAGE = [
    *("", "x", "=" * 32, "A" * 31, "A" * 33, "\x00", "\N{SNOWMAN}", "1 OR 1=1", "-" * 32, "_" * 32, "f" * 32),
    *("/" * 32, "gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "f_____" + "_" * 26, "x" * 65),
]


@pytest.mark.parametrize("path", [DELETIONS, AUDIT])
async def test_a_forged_cursor_is_refused_or_leads_through_the_callers_own_list(client: Client, path: str) -> None:
    await delete(client, await client.upload(by="bob"), by="bob")
    by = "alice" if path == DELETIONS else "admin"

    for cursor in GARBAGE:
        answer = await client.request("GET", path, by=by, params={"cursor": cursor})

        assert answer.status_code == 200 or refusal(answer) == (422, "invalid_request"), cursor
        assert path == AUDIT or "bob" not in answer.text


@pytest.mark.parametrize(
    ("path", "query"),
    [
        *((DELETIONS, {name: "x y"}) for name in ("category", "owner", "rule", "sweep_id", "since", "before", "limit")),
        (DELETIONS, {"limit": "1001"}),
        (DELETIONS, {"categroy": "temp"}),
        *((AUDIT, {name: "x"}) for name in ("file_id", "job_id", "sweep_id", "action", "since", "limit")),
        (AUDIT, {"actor": "a\x00"}),
        (AUDIT, {"owner": "alice"}),
    ],
)
async def test_a_list_asked_for_wrongly_is_refused(client: Client, path: str, query: dict[str, str]) -> None:
    assert refusal(await client.request("GET", path, by="admin", params=query)) == (422, "invalid_request")


async def test_the_audit_trail_tells_who_did_what_and_why(client: Client) -> None:
    file = await client.upload()
    url = f"{FILES}/{file['id']}"
    await client.request("PUT", f"{url}/hold", by="admin", json={"reason": "evidence"})
    await client.request("DELETE", f"{url}/hold", by="admin")
    await client.request("PATCH", url, json={"ttl_seconds": 60})
    await delete(client, file)

    told = await items(client, AUDIT, by="admin", file_id=file["id"])
    held = told[-1]

    assert [(event["actor"], event["action"]) for event in told] == [
        ("alice", "deleted"),
        ("alice", "extended"),
        ("admin", "released"),
        ("admin", "held"),
    ]
    assert (held["owner"], held["reason"], held["file_id"]) == ("alice", "evidence", file["id"])
    assert held["details"] == {"until": None, "reason": "evidence", "by": "admin"}
    assert [event["action"] for event in await items(client, AUDIT, by="admin", actor="admin")] == ["released", "held"]
    assert await items(client, AUDIT, by="admin", action="held") == [held]
    assert await items(client, AUDIT, by="admin", file_id=str(uuid4())) == []
    assert await items(client, AUDIT, by="admin", file_id=file["id"], since=told[1]["at"]) == told[:2]
    assert await items(client, AUDIT, by="admin", since="2090-01-01T00:00:00Z") == []
    assert await items(client, AUDIT, by="admin", since="1970-01-01T00:00:00Z", file_id=file["id"]) == told
    assert [page[0] for page in await pages(client, AUDIT, by="admin", limit=1, file_id=file["id"])] == told
    assert refusal(await client.request("GET", AUDIT)) == (403, "admin_required")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = 'nobody'",
        "DELETE FROM audit_events",
        "DELETE FROM audit_events WHERE false",
        "TRUNCATE audit_events",
    ],
)
async def test_postgresql_refuses_to_rewrite_the_audit_trail(client: Client, database: str, statement: str) -> None:
    """The service's own role asks."""
    before = await fetch(database, "SELECT * FROM audit_events ORDER BY id")

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await execute(database, statement)

    assert before
    assert await fetch(database, "SELECT * FROM audit_events ORDER BY id") == before


def test_ids_are_bounded_by_when_they_could_be_made() -> None:
    instant = datetime(2030, 1, 31, 12, 0, 0, 1_000, tzinfo=UTC)

    lowest = first_id(instant)

    assert lowest.int >> 80 == (1_896_091_200_000 + 1)
    assert first_id(datetime(1969, 1, 1, tzinfo=UTC)) == UUID(int=0)
    assert first_id(datetime(2020, 1, 1, tzinfo=UTC)) < uuid7() < first_id(datetime(2090, 1, 1, tzinfo=UTC))
