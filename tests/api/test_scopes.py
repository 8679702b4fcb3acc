"""What a session was made for: every route asks for one scope, and nothing else opens it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import LIMITABLE, Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.api.answers import problem_in
from tests.api.tus import TusClient
from tests.conftest import Client

OF_LIMITED = {
    *("POST /files", "GET /files", "DELETE /files", "POST /files/check"),
    *("GET /files/{file_id}", "PATCH /files/{file_id}", "DELETE /files/{file_id}"),
    *("GET /files/{file_id}/content", "HEAD /files/{file_id}/content", "GET /files/{file_id}/retention"),
    *("GET /files/{file_id}/frame", "GET /files/{file_id}/thumbnail"),
    *("GET /healthz", "GET /readyz", "GET /metrics", "GET /sessions/me"),
    *("POST /files/{file_id}/links", "POST /uploads/links"),
    *(f"{method} /links/{{reference}}/{{filename}}" for method in ("GET", "HEAD", "PUT", "POST")),
}
FREE = {"/healthz", "/readyz", "/metrics", "/api/v1/sessions/me", "/api/v1/storage/stats", "/api/v1/storage/policies"}
OWN_SESSIONS = {("GET", "/api/v1/sessions"), ("DELETE", "/api/v1/sessions/{session_id}")}
SCHEMAS = "/api/v1/results/schemas/{kind}"
GOVERNING = ("/api/v1/storage/records", "/api/v1/links/keys")
RETENTION = ("/hold", "/restore", "/deletions")
FILES: Mapping[str, Scope] = {
    "GET": Scope.FILES_READ,
    "HEAD": Scope.FILES_READ,
    "DELETE": Scope.FILES_DELETE,
    "POST": Scope.FILES_WRITE,
    "PATCH": Scope.FILES_WRITE,
}


def needed(method: str, path: str) -> Scope | None:
    """Return the scope that a route asks for, as the manual says it."""
    resource = path.removeprefix("/api/v1/").partition("/")[0]
    if (path in FREE and method == "GET") or (method, path) in OWN_SESSIONS or path.startswith("/links/"):
        return None
    for scope, asks in {
        Scope.ADMIN: resource in {"sessions", "audit"} or path.startswith(GOVERNING),
        Scope.STORAGE: resource == "storage",
        Scope.WEBHOOKS: resource == "webhooks",
        Scope.FILES_READ: resource == "links" or path.endswith("}/links"),
        Scope.RETENTION: path.endswith(RETENTION),
        Scope.FILES_WRITE: resource == "uploads",
    }.items():
        if asks:
            return scope
    return FILES[method] if resource in {"files", "events"} else Scope.JOBS


async def token(runtime: Runtime, *scopes: Scope, limit: Limit | None = None) -> str:
    lifetime = timedelta(hours=1)
    _, made = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=lifetime, scopes=scopes, limit=limit)
    return made


async def test_every_route_is_opened_by_one_scope_and_by_no_other(client: Client, runtime: Runtime) -> None:
    document = (await client.request("GET", "/openapi.json")).json()
    routes = [(method.upper(), path) for path, item in document["paths"].items() for method in item]
    for each in Scope:
        client.tokens[each] = await token(runtime, each)
        client.tokens[f"all but {each}"] = await token(runtime, *({*Scope} - {each, Scope.ADMIN}))

    wrong = {}
    for method, path in routes:
        scope, address = needed(method, path), re.sub(r"\{\w+\}", str(uuid4()), path)
        if "/events" in path:
            address += "?timeout=0"
        refused = await client.request(method, address, by=f"all but {scope or Scope.ADMIN}")
        opened = await client.request(method, address, by=scope or Scope.FILES_READ)
        code = problem_in(refused) if refused.status_code == 403 and method != "HEAD" else {}
        told = None if refused.status_code != 403 else code.get("scope", scope)
        if told != scope or opened.status_code == 403:
            wrong[method, path] = (scope, refused.status_code, told, opened.status_code)

    assert wrong == {}


async def test_a_limited_session_uses_only_what_looks_at_its_limit(client: Client, runtime: Runtime) -> None:
    document = (await client.request("GET", "/openapi.json")).json()
    limit = Limit.of(["clips"], None)
    client.tokens["limited"] = await token(runtime, *LIMITABLE, limit=limit)

    opened = set()
    for path, item in document["paths"].items():
        for method in item:
            address = re.sub(r"\{\w+\}", str(uuid4()), path)
            answer = await client.request(method.upper(), address, by="limited")
            is_refused = answer.status_code == 403
            if not is_refused:
                opened.add(f"{method.upper()} {path.removeprefix('/api/v1')}")
            elif method != "head":
                assert problem_in(answer)["code"] == "session_limited", (method, path)

    assert opened == OF_LIMITED


async def test_a_session_that_reads_does_nothing_else(client: Client, runtime: Runtime) -> None:
    file = await client.upload(b"content")
    client.tokens["alice"] = await token(runtime, Scope.FILES_READ)
    path = f"/api/v1/files/{file['id']}"

    for _ in range(2):  # the second time by whoever remembers the token
        assert (await client.request("GET", path)).json() == file
        assert (await client.request("GET", f"{path}/content")).content == b"content"
        assert (await client.request("GET", "/api/v1/files")).json()["items"] == [file]
        upload = await client.request("POST", "/api/v1/files?category=temp&filename=a", content=b"x")
        assert (upload.status_code, problem_in(upload)["scope"]) == (403, "files:write")
    assert problem_in(await client.request("DELETE", path))["scope"] == "files:delete"
    assert problem_in(await client.request("PATCH", path, json={"filename": "b"}))["scope"] == "files:write"
    assert (await TusClient(client).create(3)).status_code == 403


async def test_a_session_that_writes_reads_nothing(client: Client, runtime: Runtime) -> None:
    client.tokens["writer"] = await token(runtime, Scope.FILES_WRITE)
    file = await client.upload(b"content", by="writer")
    again = await client.upload(b"content", by="writer")

    for path in ("", f"/{file['id']}", f"/{again['id']}/content"):
        answer = await client.request("GET", f"/api/v1/files{path}", by="writer")
        assert (answer.status_code, problem_in(answer)["scope"]) == (403, "files:read")
    assert len((await client.request("GET", "/api/v1/files")).json()["items"]) == 2


async def test_roles_stay_as_named_sets(client: Client) -> None:
    told = {by: (await client.request("GET", "/api/v1/sessions/me", by=by)).json() for by in ("alice", "admin")}

    user = ["files:read", "files:write", "files:delete", "jobs", "retention", "webhooks"]
    assert (told["alice"]["role"], told["alice"]["scopes"]) == ("user", user)
    assert (told["admin"]["role"], told["admin"]["scopes"]) == ("admin", [*user, "storage", "admin"])


async def test_an_administrator_makes_sessions_with_scopes(client: Client) -> None:
    asked = {"owner": "alice", "scopes": ["files:read", "jobs"], "ttl_seconds": 60}

    made = await client.request("POST", "/api/v1/sessions", by="admin", json=asked)
    client.tokens["made"] = made.json()["token"]
    seen = (await client.request("GET", "/api/v1/sessions/me", by="made")).json()

    assert (made.status_code, seen["scopes"], seen["role"]) == (201, ["files:read", "jobs"], "user")
    assert (await client.request("POST", "/api/v1/sessions", by="alice", json=asked)).status_code == 403


async def test_whoever_may_administer_sees_what_is_everybodys(client: Client, runtime: Runtime) -> None:
    file = await client.upload(b"content", by="bob")
    client.tokens["made"] = await token(runtime, Scope.ADMIN)

    assert (await client.request("GET", f"/api/v1/files/{file['id']}", by="made")).status_code == 200
    assert (await client.request("GET", "/api/v1/sessions/me", by="made")).json()["role"] == "admin"


async def test_whoever_runs_the_store_sweeps_and_sees_nobodys_files(client: Client, runtime: Runtime) -> None:
    file = await client.upload(b"content", by="bob")
    client.tokens["made"] = await token(runtime, Scope.STORAGE, Scope.FILES_READ)

    assert (await client.request("POST", "/api/v1/storage/cleanup", by="made")).status_code == 200
    assert (await client.request("GET", f"/api/v1/files/{file['id']}", by="made")).status_code == 404


@pytest.mark.parametrize(
    "wish",
    [
        {"scopes": []},
        {"scopes": ["files"]},
        {"scopes": ["files:read", "files:read"]},
        {"scopes": ["files:read"], "role": "user"},
        {"scopes": "files:read"},
    ],
)
async def test_scopes_that_make_no_sense_are_refused(client: Client, wish: dict[str, object]) -> None:
    asked = {"owner": "alice", "ttl_seconds": 60} | wish

    assert (await client.request("POST", "/api/v1/sessions", by="admin", json=asked)).status_code == 422
