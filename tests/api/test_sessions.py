"""Sessions over REST: made by administrators, shown once, listed, revoked, extended."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.answers import problem_in, refusal
from tests.conftest import Client, execute, fetch

URL = "/api/v1/sessions"
FIELDS = {
    *(
        "id",
        "owner",
        "role",
        "scopes",
        "categories",
        "labels",
        "parent_id",
        "created_at",
        "last_seen_at",
        "expires_at",
        "revoked_at",
    )
}


async def create(client: Client, **about: Any) -> dict[str, Any]:
    asked = {"owner": "carol", "role": "user", "ttl_seconds": 600} | about
    answer = await client.request("POST", URL, by="admin", json=asked)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    client.tokens[made["id"]] = made["token"]
    return made


async def status_of(client: Client, session: dict[str, Any]) -> int:
    return (await client.request("GET", f"{URL}/me", by=session["id"])).status_code


async def test_a_token_is_long_shown_once_and_stored_only_as_its_hash(client: Client, database: str) -> None:
    answer = await client.request("POST", URL, by="admin", json={"owner": "carol", "role": "user", "ttl_seconds": 600})

    made = answer.json()
    dumped = str([dict(row) for row in await fetch(database, "SELECT s, s::text FROM user_sessions AS s")])
    hashes = [row["token_hash"] for row in await fetch(database, "SELECT token_hash FROM user_sessions")]
    assert made.keys() == FIELDS | {"token"}
    assert re.fullmatch(r"mas_[A-Za-z0-9_-]{43,}", made["token"])
    assert answer.headers["location"] == f"{URL}/{made['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert hashlib.sha256(made["token"].encode()).digest() in hashes
    assert made["token"] not in dumped
    assert made["token"][4:] not in (await client.request("GET", URL, by="admin")).text


async def test_a_session_knows_its_owner_role_and_end(client: Client) -> None:
    made = await create(client, ttl_seconds=600)

    me = (await client.request("GET", f"{URL}/me", by=made["id"])).json()

    lasts = datetime.fromisoformat(me["expires_at"]) - datetime.fromisoformat(me["created_at"])
    assert me.keys() == FIELDS
    assert (me["id"], me["owner"], me["role"], me["revoked_at"]) == (made["id"], "carol", "user", None)
    assert lasts == timedelta(seconds=600)
    assert datetime.now(UTC) - datetime.fromisoformat(me["last_seen_at"]) < timedelta(seconds=30)


async def test_the_role_decides_what_a_new_session_may_do(client: Client) -> None:
    user, admin = await create(client), await create(client, role="admin")

    statuses = [
        (await client.request("GET", "/api/v1/storage/validate", by=session["id"])).status_code
        for session in (user, admin)
    ]

    assert statuses == [403, 200]


async def test_everybody_lists_their_own_and_administrators_list_all(client: Client) -> None:
    first, second = await create(client), await create(client)

    own = (await client.request("GET", URL, by=first["id"])).json()
    everybody = (await client.request("GET", URL, by="admin")).json()
    page = (await client.request("GET", URL, by="admin", params={"limit": 1})).json()
    rest = (await client.request("GET", URL, by="admin", params={"cursor": page["next_cursor"]})).json()

    assert [session["id"] for session in own["items"]] == [second["id"], first["id"]]
    assert [session["owner"] for session in everybody["items"]] == ["carol", "carol", "admin", "bob", "alice"]
    assert page["items"] + rest["items"] == everybody["items"]
    assert all(session.keys() == FIELDS for session in everybody["items"])


async def test_a_revoked_session_ends_at_once_and_keeps_its_first_end(client: Client) -> None:
    made = await create(client)

    by_owner = await client.request("DELETE", f"{URL}/{made['id']}", by=made["id"])
    status = await status_of(client, made)
    listed = (await client.request("GET", URL, by="admin", params={"limit": 1})).json()["items"][0]
    again = await client.request("DELETE", f"{URL}/{made['id']}", by="admin")

    assert (by_owner.status_code, by_owner.content) == (204, b"")
    assert status == 401
    assert again.status_code == 204
    assert listed["revoked_at"] is not None
    assert (await client.request("GET", URL, by="admin", params={"limit": 1})).json()["items"] == [listed]


async def test_an_expired_token_is_refused_until_its_session_is_extended(client: Client, database: str) -> None:
    made = await create(client)
    await execute(database, f"UPDATE user_sessions SET expires_at = now() WHERE id = '{made['id']}'")

    expired = await status_of(client, made)
    extension = await client.request("PATCH", f"{URL}/{made['id']}", by="admin", json={"ttl_seconds": 3600})

    left = datetime.fromisoformat(extension.json()["expires_at"]) - datetime.now(UTC)
    assert expired == 401
    assert timedelta(minutes=59) < left < timedelta(minutes=61)
    assert await status_of(client, made) == 200


async def test_a_session_ends_itself_and_those_that_may_do_no_more(client: Client) -> None:
    reader, other = [await create(client, role=None, scopes=["files:read"]) for _ in range(2)]
    user, admin = await create(client), await create(client, role="admin")

    refused = [
        await client.request("DELETE", f"{URL}/{wanted['id']}", by=by["id"])
        for by, wanted in ((reader, user), (reader, admin), (user, admin))
    ]
    ended = [
        (await client.request("DELETE", f"{URL}/{wanted['id']}", by=by["id"])).status_code
        for by, wanted in ((reader, other), (user, reader), (admin, user), (admin, admin))
    ]

    assert {refusal(answer) for answer in refused} == {(403, "scope_missing")}
    assert ended == [204] * 4
    assert await status_of(client, other) == 401


async def test_a_revoked_session_cannot_be_extended(client: Client) -> None:
    made = await create(client)
    await client.request("DELETE", f"{URL}/{made['id']}", by="admin")

    extension = await client.request("PATCH", f"{URL}/{made['id']}", by="admin", json={"ttl_seconds": 3600})

    assert refusal(extension) == (404, "session_not_found")
    assert await status_of(client, made) == 401


async def test_last_seen_is_written_at_most_once_a_minute(client: Client, database: str) -> None:
    async def seen() -> tuple[object, object]:
        row = (await fetch(database, "SELECT last_seen_at, xmin FROM user_sessions WHERE owner = 'alice'"))[0]
        return row["last_seen_at"], row["xmin"]

    before = await seen()
    await client.request("GET", f"{URL}/me")
    first = await seen()
    for _ in range(3):
        await client.request("GET", f"{URL}/me")
    same = await seen()
    await execute(database, "UPDATE user_sessions SET last_seen_at = now() - interval '61 seconds'")
    aged = await seen()
    await client.request("GET", f"{URL}/me")

    assert before[0] is None
    assert first[0] is not None
    assert same == first
    assert (await seen())[0] != aged[0]


WRONG: list[dict[str, Any]] = [
    {},
    {"owner": "carol"},
    {"owner": "", "ttl_seconds": 5},
    {"owner": "a b", "ttl_seconds": 5},
    {"owner": "a\n", "ttl_seconds": 5},
    {"owner": "a\x00", "ttl_seconds": 5},
    {"owner": "x" * 129, "ttl_seconds": 5},
    {"owner": "\N{SNOWMAN}", "ttl_seconds": 5},
    {"owner": "carol", "ttl_seconds": 0},
    {"owner": "carol", "ttl_seconds": -1},
    {"owner": "carol", "ttl_seconds": 10**40},
    {"owner": "carol", "ttl_seconds": True},
    {"owner": "carol", "ttl_seconds": 5, "role": "root"},
    {"owner": "carol", "ttl_seconds": 5, "token": "mas_chosen"},
]


async def test_a_session_that_makes_no_sense_is_not_made(client: Client, database: str) -> None:
    answers = [await client.request("POST", URL, by="admin", json=asked) for asked in WRONG]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(WRONG)
    assert "mas_chosen" not in "".join(str(problem_in(answer)) for answer in answers)
    assert len(await fetch(database, "SELECT FROM user_sessions")) == 3
