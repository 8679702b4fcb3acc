"""What whoever makes a link may give on, how much of it, and for how long."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from media_analysis.errors import TooManyAtOnce
from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from media_analysis.sessions.service import Caller
from media_analysis.settings.links import LinkSettings
from tests.api.answers import problem_in, refusal
from tests.api.links import HOUR, invite, session, share, use
from tests.conftest import Client, fetch

CONTENT = b"0123456789" * 20


@pytest.fixture
async def file(client: Client) -> dict[str, Any]:
    return await client.upload(CONTENT, filename="a day at sea.mp4")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"expires_in": 0}, 422),
        ({"expires_in": 7 * 86_400 + 1}, 422),
        ({"expires_in": 3_601}, 422),  # the session ends after an hour
        ({"disposition": "inline"}, 422),
        ({"days": 3}, 422),
        ({"expires_in": 60, "disposition": "attachment"}, 201),
    ],
)
async def test_wishes_are_met_or_refused(client: Client, file: dict[str, Any], asked: Any, status: int) -> None:
    answer = await client.request("POST", f"/api/v1/files/{file['id']}/links", json=asked)

    assert answer.status_code == status, answer.text
    if status == 201:
        link = answer.json()
        life = datetime.fromisoformat(link["expires_at"]) - datetime.fromisoformat(link["created_at"])
        assert life == timedelta(seconds=60)
        assert answer.headers["location"] == f"/api/v1/links/{link['id']}"
        assert answer.headers["cache-control"] == "no-store"


async def test_a_link_that_nobody_dated_ends_with_its_session_at_the_latest(
    client: Client, runtime: Runtime, file: dict[str, Any]
) -> None:
    short, client.tokens["short"] = await session(runtime, Scope.FILES_READ, ttl=timedelta(minutes=5))

    usual, brief = await share(client, file, by="admin"), await share(client, file, by="short")

    spans = [
        datetime.fromisoformat(one["expires_at"]) - datetime.fromisoformat(one["created_at"]) for one in (usual, brief)
    ]
    assert datetime.fromisoformat(brief["expires_at"]) == short.expires_at
    assert timedelta(minutes=59) < spans[0] <= HOUR
    assert usual["owner"] == "alice"
    assert usual["created_by"] == "admin"


async def test_a_session_gives_on_what_it_may_do_itself_and_no_more(
    client: Client, runtime: Runtime, database: str, file: dict[str, Any]
) -> None:
    limit = Limit.of(["uploads"], ["camera:north"])
    near = await client.upload(CONTENT, label="camera:north")
    _, client.tokens["writer"] = await session(runtime, Scope.FILES_WRITE)
    _, client.tokens["north"] = await session(runtime, Scope.FILES_READ, Scope.FILES_WRITE, limit=limit)

    refused = [
        await client.request("POST", f"/api/v1/files/{file['id']}/links", by=by, json={})
        for by in ("writer", "bob", "north")
    ]
    link = await share(client, near, by="north")
    before = await use(client, link)
    await client.request("PATCH", f"/api/v1/files/{near['id']}", json={"labels": {"camera": "south"}})
    after = await use(client, link)
    upload = await invite(client, by="north")
    elsewhere = await client.request(
        "POST", "/api/v1/uploads/links", by="north", json={"category": "temp", "max_bytes": 5}
    )
    brought = await use(client, upload, "PUT", content=b"x")
    (labels,) = await fetch(
        database, "SELECT labels FROM media_files WHERE id = (SELECT file_id FROM links WHERE kind = 'upload')"
    )

    assert [answer.status_code for answer in refused] == [403, 404, 404]
    assert before.status_code == 200
    assert problem_in(after)["reason"] == "file_gone"
    assert refusal(elsewhere) == (403, "session_limited")
    assert brought.status_code == 201
    assert labels["labels"] == '{"camera": "north"}'


async def test_an_owner_has_so_many_good_links_and_then_no_more(
    client: Client, runtime: Runtime, file: dict[str, Any]
) -> None:
    made, _ = await session(runtime, Scope.FILES_READ, Scope.FILES_WRITE)
    links = replace(runtime.files.links, settings=LinkSettings(max_per_owner=2))
    caller = Caller(made.id, "alice", Role.USER, frozenset({Scope.FILES_READ, Scope.FILES_WRITE}))
    first, _ = await share(client, file), await invite(client)

    with pytest.raises(TooManyAtOnce, match="2 links of this owner"):
        await links.share(UUID(file["id"]), by=caller, lifetime=None)
    await client.request("DELETE", f"/api/v1/links/{first['id']}")
    again = await links.share(UUID(file["id"]), by=caller, lifetime=None)

    assert again.link.owner == "alice"
