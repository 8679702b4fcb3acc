"""Sessions that are limited to categories and labels: what lies outside is nobody's for them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import differences, problem_in, refusal
from tests.conftest import Client

FILES = "/api/v1/files"
SCOPES = ["files:read", "files:write", "files:delete"]
INSIDE = {"category": "clips", "label": "camera:north"}
Ask = Callable[..., Awaitable[httpx.Response]]


async def make(client: Client, by: str, **limits: Any) -> None:
    asked = {"owner": "alice", "scopes": SCOPES, "ttl_seconds": 3600} | limits
    made = await client.request("POST", "/api/v1/sessions", by="admin", json=asked)
    assert made.status_code == 201, made.text
    client.tokens[by] = made.json()["token"]


@pytest.fixture
async def ask(client: Client) -> Ask:
    """Asks as a session of alice's that is limited to the clips of one camera."""
    await make(client, "limited", categories=["clips"], labels=["camera:north"])
    return lambda method, path="", **about: client.request(method, f"{FILES}{path}", by="limited", **about)


@pytest.fixture
async def outside(client: Client) -> list[dict[str, Any]]:
    """What lies outside of that: by its category, by its labels, and by its owner."""
    return [
        await client.upload(b"inside", category="uploads", label="camera:north"),
        await client.upload(b"inside", category="clips", label="camera:south"),
        await client.upload(b"inside", category="clips"),
        await client.upload(b"inside", by="bob", **INSIDE),
    ]


async def test_sessions_say_what_they_are_limited_to(client: Client) -> None:
    limits = {"categories": ["clips", "frames"], "labels": ["camera:north", "event"]}
    asked = {"owner": "alice", "scopes": SCOPES, "ttl_seconds": 60}

    made = await client.request("POST", "/api/v1/sessions", by="admin", json=asked | limits)
    plain = await client.request("POST", "/api/v1/sessions", by="admin", json=asked)
    listed = (await client.request("GET", "/api/v1/sessions")).json()["items"]

    told = {each["id"]: {name: each[name] for name in limits} for each in [*listed, made.json()]}
    assert made.status_code == 201
    assert told[made.json()["id"]] == limits
    assert told[plain.json()["id"]] == {"categories": None, "labels": None}


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"categories": ["clips"]}, "scopes"),
        ({"categories": ["clips"], "role": "admin"}, "role"),
        ({"labels": ["camera"], "scopes": ["files:read", "jobs"]}, "scopes"),
        ({"labels": ["camera"], "scopes": ["admin"]}, "scopes"),
        ({"labels": ["!camera"], "scopes": SCOPES}, "labels"),
        ({"labels": ["camera:north", "camera"], "scopes": SCOPES}, "labels"),
        ({"labels": ["Ä:b"], "scopes": SCOPES}, "labels"),
        ({"labels": [], "scopes": SCOPES}, "labels"),
        ({"categories": [], "scopes": SCOPES}, "categories"),
        ({"categories": ["films"], "scopes": SCOPES}, "categories"),
    ],
)
async def test_limits_that_make_no_sense_are_refused(client: Client, wish: dict[str, Any], field: str) -> None:
    asked = {"owner": "alice", "ttl_seconds": 60} | wish

    refused = await client.request("POST", "/api/v1/sessions", by="admin", json=asked)

    assert refused.status_code == 422
    assert field in refused.text


async def test_what_lies_outside_is_answered_as_what_does_not_exist(
    client: Client, ask: Ask, outside: list[dict[str, Any]]
) -> None:
    gone = [
        await client.upload(b"gone", category="clips", label="camera:south"),
        await client.upload(b"gone", category="uploads", label="camera:north"),
    ]
    for file in gone:
        await client.request("DELETE", f"{FILES}/{file['id']}")
    client.tokens["alice"], unlimited = client.tokens["limited"], client.tokens["alice"]
    one = f"{FILES}/{{id}}"
    routes: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", one, {}),
        ("HEAD", one, {}),
        ("GET", f"{one}/content", {}),
        ("HEAD", f"{one}/content", {}),
        ("GET", f"{one}/retention", {}),
        ("PATCH", one, {"json": {"filename": "taken.bin"}}),
        ("PATCH", one, {"json": {"labels": {"camera": "north"}}}),
        ("PATCH", one, {"json": {"filename": "taken.bin"}, "headers": {"If-Match": '"another"'}}),
        ("GET", one, {"headers": {"If-Match": '"another"'}}),
        ("GET", one, {"headers": {"If-None-Match": "*"}}),
        ("GET", f"{one}/content", {"headers": {"Range": "bytes=100-"}}),
        ("DELETE", one, {"headers": {"If-Match": '"another"'}}),
        ("DELETE", f"{one}?strategy=hard", {}),
        ("DELETE", one, {}),
        ("DELETE", f"{one}?dry_run=true", {}),
        ("DELETE", f"{one}?derived=keep", {}),
    ]

    await ask("GET")  # from now on the token is remembered
    for file in [*outside, *gone]:
        assert await differences(client, routes, file["id"]) == []
    client.tokens["alice"] = unlimited
    for file in outside:
        by = file["owner"]
        assert (await client.request("GET", f"{FILES}/{file['id']}", by=by)).json() == file


async def test_what_lies_inside_is_read_changed_and_deleted(client: Client, ask: Ask) -> None:
    file = await client.upload(b"inside", **INSIDE)
    path = f"/{file['id']}"

    for _ in range(2):
        assert (await ask("GET", path)).json() == file
        assert (await ask("GET", f"{path}/content")).content == b"inside"
        assert (await ask("GET", f"{path}/retention")).status_code == 200
        assert (await ask("GET")).json()["items"] == [file]
    assert (await ask("PATCH", path, json={"labels": {"event": "e1"}})).json()["labels"] == {
        "camera": "north",
        "event": "e1",
    }
    for change in (None, {"camera": None}, {"camera": "south"}):
        assert refusal(await ask("PATCH", path, json={"labels": change})) == (403, "session_limited")
    assert (await client.request("GET", f"{FILES}{path}")).json()["labels"] == {"camera": "north", "event": "e1"}
    assert (await ask("DELETE", path)).status_code == 204
    assert (await ask("GET", path)).status_code == 410


async def test_lists_and_checks_find_what_lies_inside_only(
    client: Client, ask: Ask, outside: list[dict[str, Any]]
) -> None:
    digest = {"sha256": outside[0]["sha256"], "size_bytes": 6}

    async def found() -> Any:
        return (await ask("POST", "/check", json={"items": [digest]})).json()["items"][0]["file_id"]

    queries = [
        *({}, {"category": "clips"}, {"category": "uploads"}, {"label": "camera:south"}, {"label": "!camera:north"}),
        *({"state": "stored"}, {"expires_before": "2999-01-01T00:00:00Z"}, {"owner": "bob"}, {"job_id": str(uuid4())}),
        *(
            {"state": "trashed"},
            {"state": "pending"},
            {"category": "uploads", "expires_before": "2999-01-01T00:00:00Z"},
        ),
    ]
    for query in queries * 2:
        assert (await ask("GET", params=query)).json()["items"] == [], query
    assert await found() is None
    inside = await client.upload(b"inside", **INSIDE)
    assert await found() == inside["id"]
    for query in ({}, {"category": "clips"}, {"label": "camera:north"}, {"expires_before": "2999-01-01T00:00:00Z"}):
        assert [file["id"] for file in (await ask("GET", params=query)).json()["items"]] == [inside["id"]], query
    assert len((await client.request("GET", FILES)).json()["items"]) == 4


async def test_a_limited_session_ends_itself_and_no_other(client: Client, ask: Ask) -> None:
    own = (await client.request("GET", "/api/v1/sessions/me", by="limited")).json()["id"]

    owners = (await client.request("GET", "/api/v1/sessions/me")).json()["id"]
    await make(client, "narrower", scopes=["files:read"], categories=["clips"], labels=["camera:north"])
    narrower = (await client.request("GET", "/api/v1/sessions/me", by="narrower")).json()["id"]

    refused = [
        await client.request("DELETE", f"/api/v1/sessions/{other}", by="limited")
        for other in (owners, narrower, uuid4())
    ]
    ended = await client.request("DELETE", f"/api/v1/sessions/{own}", by="limited")

    assert {refusal(answer) for answer in refused} == {(403, "session_limited")}
    assert len({answer.text for answer in refused}) == 1
    assert ended.status_code == 204
    assert refusal(await ask("GET")) == (401, "token_rejected")
    assert (await client.request("GET", "/api/v1/sessions/me", by="narrower")).status_code == 200


@pytest.mark.usefixtures("outside")
async def test_no_rank_tells_how_many_files_lie_outside(client: Client, ask: Ask) -> None:
    file = await client.upload(b"inside", **INSIDE)

    told = (await ask("GET", f"/{file['id']}/retention")).json()
    whole = (await client.request("GET", f"{FILES}/{file['id']}/retention")).json()

    assert (told["eviction_rank"], whole["eviction_rank"]) == (None, 3)
    assert {**told, "eviction_rank": 3} == whole


async def test_categories_and_labels_limit_each_alone(client: Client, outside: list[dict[str, Any]]) -> None:
    await make(client, "categories", categories=["clips", "frames"])
    await make(client, "labels", labels=["camera"])

    seen = {
        by: {file["id"] for file in (await client.request("GET", FILES, by=by)).json()["items"]}
        for by in ("categories", "labels")
    }

    assert seen["categories"] == {outside[1]["id"], outside[2]["id"]}
    assert seen["labels"] == {outside[0]["id"], outside[1]["id"]}


async def test_uploads_lie_inside_or_are_refused(client: Client, ask: Ask) -> None:
    for _ in range(2):
        made = await ask("POST", params={"category": "clips", "filename": "a", "label": "event:e1"}, content=b"a")
        assert (made.status_code, made.json()["labels"]) == (201, {"camera": "north", "event": "e1"})
        for wish in ({"category": "uploads"}, {"label": "camera:south"}, {"job_id": str(uuid4())}):
            refused = await ask("POST", params={"category": "clips", "filename": "a"} | wish, content=b"a")
            assert refusal(refused) == (403, "session_limited"), wish
    form = {"category": (None, "clips"), "file": ("a.bin", b"formed")}
    late = {**form, "label": (None, "camera:south")}
    formed = await ask("POST", files=form)
    assert (formed.status_code, formed.json()["labels"]) == (201, {"camera": "north"})
    assert (await ask("POST", files=late)).status_code in {403, 422}
    assert len((await client.request("GET", FILES)).json()["items"]) == 3


async def test_a_key_that_is_asked_for_has_to_be_given(client: Client) -> None:
    await make(client, "events", labels=["event"])
    about = {"category": "clips", "filename": "a"}

    refused = await client.request("POST", FILES, by="events", params=about, content=b"a")
    made = await client.request("POST", FILES, by="events", params=about | {"label": "event:e1"}, content=b"a")

    assert (refused.status_code, problem_in(refused)["field"]) == (422, "label")
    assert (made.status_code, made.json()["labels"]) == (201, {"event": "e1"})


async def test_uploads_are_derived_from_what_lies_inside_only(
    client: Client, ask: Ask, outside: list[dict[str, Any]]
) -> None:
    inside = await client.upload(b"inside", **INSIDE)
    about = {"category": "clips", "filename": "a"}

    for parent in outside:
        refused = await ask("POST", params=about | {"parent_id": parent["id"]}, content=b"a")
        assert (refused.status_code, problem_in(refused)["field"]) == (422, "parent_id")
    made = await ask("POST", params=about | {"parent_id": inside["id"]}, content=b"a")
    assert (made.status_code, made.json()["parent_id"]) == (201, inside["id"])


async def test_what_was_derived_and_lies_outside_does_not_go(client: Client, ask: Ask) -> None:
    parent = await client.upload(b"inside", **INSIDE)
    crop = await client.upload(b"crop", **INSIDE, parent_id=parent["id"])
    private = await client.upload(b"private", category="clips", parent_id=crop["id"])

    for query in ("", "?dry_run=true"):
        assert refusal(await ask("DELETE", f"/{parent['id']}{query}")) == (403, "session_limited")
    for file in (parent, crop, private):
        assert (await client.request("GET", f"{FILES}/{file['id']}")).status_code == 200
    assert (await ask("DELETE", f"/{parent['id']}?derived=keep")).status_code == 204
    assert (await client.request("GET", f"{FILES}/{private['id']}")).status_code == 200


async def test_a_filter_deletes_what_lies_inside_only(client: Client, ask: Ask, outside: list[dict[str, Any]]) -> None:
    parent = await client.upload(b"inside", **INSIDE)
    private = await client.upload(b"private", category="clips", parent_id=parent["id"])
    wish = {"category": "clips", "dry_run": "false", "confirm": "9"}

    assert refusal(await ask("DELETE", params=wish)) == (403, "session_limited")
    for query in ({"category": "uploads"}, {"label": "!camera"}):
        told = await ask("DELETE", params=wish | {"category": "clips", "derived": "keep"} | query)
        assert told.json()["matched"]["files"] == 0
    gone = await ask("DELETE", params=wish | {"derived": "keep"})

    assert (gone.json()["matched"]["files"], gone.json()["files"]) == (1, 1)
    assert (await client.request("GET", f"{FILES}/{parent['id']}")).status_code == 410
    for file in [*outside, private]:
        assert (await client.request("GET", f"{FILES}/{file['id']}", by=file["owner"])).status_code == 200


async def test_labels_are_looked_at_again_once_a_file_is_locked(
    client: Client, ask: Ask, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner takes it out of the limit between the look at the door and the lock."""
    look = type(runtime.files.catalog).require_reached
    for method, about in (("PATCH", {"json": {"filename": "b"}}), ("DELETE", {})):
        file = await client.upload(b"inside", **INSIDE)

        async def change_then(*asked: Any, file_id: str = file["id"]) -> None:
            await look(*asked)
            changed = await client.request("PATCH", f"{FILES}/{file_id}", json={"labels": {"camera": "south"}})
            assert changed.status_code == 200

        with monkeypatch.context() as patched:
            patched.setattr(type(runtime.files.catalog), "require_reached", change_then)
            assert refusal(await ask(method, f"/{file['id']}", **about)) == (404, "file_not_found")
        kept = (await client.request("GET", f"{FILES}/{file['id']}")).json()
        assert (kept["filename"], kept["state"]) == (file["filename"], "stored")
