"""Renaming, re-dating and deleting files, and what is said of those that are gone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Expire, Remains
from tests.conftest import Client, execute
from tests.disks import disk_of

URL = "/api/v1/files"
ROUTES = [("GET", "/content"), ("PATCH", ""), ("DELETE", ""), ("GET", "")]


async def patch(client: Client, file: dict[str, Any], **change: Any) -> dict[str, Any]:
    answer = await client.request("PATCH", f"{URL}/{file['id']}", json=change)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()
    assert (await client.request("GET", f"{URL}/{file['id']}")).json() == changed
    return changed


async def test_a_new_name_changes_nothing_else(client: Client) -> None:
    file = await client.upload(b"content", filename="old")

    renamed = await patch(client, file, filename="new \N{CLAPPER BOARD}")

    assert renamed == file | {"filename": "new \N{CLAPPER BOARD}"}
    assert (await client.request("GET", f"{URL}/{file['id']}/content")).content == b"content"


async def test_an_end_is_set_moved_and_taken_away(client: Client) -> None:
    file = await client.upload(ttl_seconds=60)

    in_an_hour = datetime.fromisoformat((await patch(client, file, ttl_seconds=3600))["expires_at"])
    dated = await patch(client, file, expires_at="2090-01-01T00:00:00.5+01:00", filename=None)
    never = await patch(client, file, expires_at=None)

    assert timedelta(minutes=59) < in_an_hour - datetime.now(UTC) < timedelta(minutes=61)
    assert datetime.fromisoformat(dated["expires_at"]) == datetime(2089, 12, 31, 23, 0, 0, 500_000, tzinfo=UTC)
    assert never["expires_at"] is None


async def test_an_end_in_the_past_ends_a_file_now(client: Client) -> None:
    file = await client.upload()

    await client.request("PATCH", f"{URL}/{file['id']}", json={"expires_at": "2020-01-01T00:00:00Z"})

    assert refusal(await client.request("GET", f"{URL}/{file['id']}")) == (410, "file_gone")


WRONG: list[Any] = [
    {},
    {"filename": None},
    {"ttl_seconds": None},
    {"ttl_seconds": 5, "expires_at": None},
    {"ttl_seconds": 5, "expires_at": "2090-01-01T00:00:00Z"},
    {"ttl_seconds": 0},
    {"ttl_seconds": -5},
    {"ttl_seconds": 1.5},
    {"ttl_seconds": True},
    {"ttl_seconds": 10**30},
    {"ttl_seconds": [5]},
    {"expires_at": "never"},
    {"expires_at": 5},
    {"expires_at": "2090-01-01T00:00:00"},
    {"expires_at": "2090-01-01"},
    {"filename": 5},
    {"filename": "a", "category": "temp"},
    {"owner": "bob"},
    [],
    "filename",
    None,
]


async def test_a_change_that_makes_no_sense_is_refused_and_changes_nothing(client: Client) -> None:
    file = await client.upload()

    answers = [await client.request("PATCH", f"{URL}/{file['id']}", json=change) for change in WRONG]

    said = [(change, *refusal(answer)) for change, answer in zip(WRONG, answers, strict=True)]
    assert said == [(change, 422, "invalid_request") for change in WRONG]
    assert (await client.request("GET", f"{URL}/{file['id']}")).json() == file


async def answers_of(
    client: Client, file: dict[str, Any], routes: Sequence[tuple[str, str]] = ROUTES
) -> list[tuple[int, str]]:
    """Return what every route of a file says of it."""
    change: dict[str, dict[str, Any]] = {"PATCH": {"json": {"filename": "x"}}}
    return [
        refusal(await client.request(method, f"{URL}/{file['id']}{rest}", **change.get(method, {})))
        for method, rest in routes
    ]


async def test_a_deleted_file_is_gone_with_its_bytes_and_says_so(client: Client, remains: Remains) -> None:
    file = await client.upload()

    deletion = await client.request("DELETE", f"{URL}/{file['id']}")

    gone = problem_in(await client.request("GET", f"{URL}/{file['id']}"))
    assert (deletion.status_code, deletion.content) == (204, b"")
    assert await remains() == []
    assert await answers_of(client, file) == [(410, "file_gone")] * 4
    assert (gone["file_id"], gone["rule"], gone["restorable_until"]) == (file["id"], "requested", None)
    assert gone["deleted_at"] == gone["gone_at"]


@pytest.mark.parametrize(
    ("asked", "rule"), [({"ttl_seconds": "60"}, "explicit_expiry"), ({}, "category_lifetime")], ids=["asked", "default"]
)
async def test_an_expired_file_is_gone_before_and_after_the_sweep(
    client: Client, remains: Remains, expire: Expire, asked: dict[str, Any], rule: str
) -> None:
    file = await client.upload(**asked)
    await expire(file)

    before = problem_in(await client.request("GET", f"{URL}/{file['id']}/content"))
    said_before = await answers_of(client, file)
    kept = await remains()
    await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
    after = problem_in(await client.request("GET", f"{URL}/{file['id']}/content"))

    assert said_before == [(410, "file_gone")] * 4
    assert len(kept) == 2
    assert (before["rule"], before["deleted_at"]) == (rule, None)
    assert await remains() == []
    assert await answers_of(client, file) == [(410, "file_gone")] * 4
    assert datetime.fromisoformat(after["deleted_at"]) > datetime.fromisoformat(after["gone_at"])
    assert after == before | {"deleted_at": after["deleted_at"]}


async def test_a_file_still_being_uploaded_is_listed_and_neither_read_nor_changed(
    client: Client, database: str
) -> None:
    pending = {"id": str(uuid4())}
    await execute(
        database,
        "INSERT INTO media_files"
        " (id, owner, category, state, key, filename, media_type, reserved_bytes, expiry_explicit, due_at) VALUES"
        f" ('{pending['id']}', 'alice', 'temp', 'pending', 'temp/x', 'x', 'text/plain', 0, false, now() + '1 hour')",
    )

    read = (await client.request("GET", f"{URL}/{pending['id']}")).json()
    listed = (await client.request("GET", URL, params={"state": "pending"})).json()["items"]
    refused = await answers_of(client, pending, ROUTES[:3])

    assert (read["state"], read["size_bytes"], read["sha256"]) == ("pending", None, None)
    assert listed == [read]
    assert refused == [(409, "file_not_ready")] * 3


async def test_a_held_file_is_not_deleted(client: Client, database: str) -> None:
    file = await client.upload()
    held = "held_until = now() + interval '1 day', due_at = NULL"
    await execute(database, f"UPDATE media_files SET {held} WHERE id = '{file['id']}'")

    answer = await client.request("DELETE", f"{URL}/{file['id']}")

    assert refusal(answer) == (409, "file_held")
    assert problem_in(answer)["rule"] == "hold"
    assert (await client.request("GET", f"{URL}/{file['id']}")).status_code == 200


async def test_nothing_is_deleted_from_a_store_without_its_marker(client: Client, runtime: Runtime) -> None:
    file = await client.upload()
    marker = disk_of(runtime.store).root / ".media-analysis"
    marker.rename(marker.with_suffix(".away"))

    deletion = await client.request("DELETE", f"{URL}/{file['id']}")
    cleanup = await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
    upload = await client.request("POST", f"{URL}?category=temp&filename=a", content=b"x")
    marker.with_suffix(".away").rename(marker)

    assert [refusal(answer) for answer in (deletion, cleanup, upload)] == [(503, "marker_mismatch")] * 3
    assert (await client.request("GET", f"{URL}/{file['id']}/content")).content == b"some bytes"
