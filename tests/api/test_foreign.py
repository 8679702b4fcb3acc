"""What belongs to somebody else looks exactly like what never existed (promise 22)."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.api.answers import differences, refusal
from tests.api.conftest import Expire, Remains
from tests.conftest import Client, fetch
from tests.retention.jobs import add_job
from tests.reused import CONNECTIONS

FILE_ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/v1/files/{id}", {}),
    ("HEAD", "/api/v1/files/{id}/content", {}),
    ("GET", "/api/v1/files/{id}/content", {}),
    ("GET", "/api/v1/files/{id}/content", {"headers": {"Range": "bytes=0-1", "If-None-Match": "*"}}),
    ("PATCH", "/api/v1/files/{id}", {"json": {"filename": "mine now"}}),
    ("PATCH", "/api/v1/files/{id}", {"json": {"expires_at": None}}),
    ("PATCH", "/api/v1/files/{id}", {"json": {"nonsense": 1}}),
    ("DELETE", "/api/v1/files/{id}", {}),
    ("DELETE", "/api/v1/files/{id}?strategy=soft&reason=mine", {}),
    ("DELETE", "/api/v1/files/{id}?dry_run=true", {}),
    ("PUT", "/api/v1/files/{id}/hold", {"json": {"reason": "mine"}}),
    ("DELETE", "/api/v1/files/{id}/hold", {}),
    ("POST", "/api/v1/files/{id}/restore", {}),
    ("GET", "/api/v1/files/{id}/retention", {}),
]
JOB_ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/v1/jobs/{id}", {}),
    ("GET", "/api/v1/jobs/{id}/events", {}),
    ("PATCH", "/api/v1/jobs/{id}", {"json": {"ttl_seconds": 60}}),
    ("DELETE", "/api/v1/jobs/{id}", {}),
    ("DELETE", "/api/v1/jobs/{id}?dry_run=true", {}),
    ("GET", "/api/v1/jobs/{id}/files", {}),
    ("GET", "/api/v1/jobs/{id}/results", {}),
    ("POST", "/api/v1/jobs/{id}/cancel", {}),
    ("POST", "/api/v1/jobs/{id}/retry", {}),
    ("PUT", "/api/v1/jobs/{id}/hold", {"json": {"reason": "mine"}}),
    ("DELETE", "/api/v1/jobs/{id}/hold", {}),
    ("POST", "/api/v1/jobs/{id}/restore", {}),
    ("GET", "/api/v1/jobs/{id}/retention", {}),
    ("GET", "/api/v1/jobs/{id}/archive", {}),
    ("POST", "/api/v1/jobs/{id}/archive", {}),
    ("GET", "/api/v1/jobs/{id}/archive/download", {}),
    ("GET", "/api/v1/jobs/{id}/archive/files/{id}/content", {}),
    ("POST", "/api/v1/jobs/{id}/restore?file_id={id}", {}),
]


@pytest.mark.parametrize("fate", ["living", "deleted", "expired"])
async def test_a_foreign_file_is_unknown_on_every_route(
    client: Client, remains: Remains, expire: Expire, fate: str
) -> None:
    theirs = await client.upload(by="bob")
    if fate == "deleted":
        await client.request("DELETE", f"/api/v1/files/{theirs['id']}", by="bob")
    elif fate == "expired":
        await expire(theirs)
    kept = await remains()

    told_apart = await differences(client, FILE_ROUTES, theirs["id"])

    assert told_apart == []
    assert await remains() == kept


@pytest.mark.parametrize("fate", ["living", "deleted"])
async def test_a_foreign_job_is_unknown_on_every_route(client: Client, database: str, fate: str) -> None:
    theirs = str(await add_job(database, owner="bob"))
    if fate == "deleted":
        await client.request("DELETE", f"/api/v1/jobs/{theirs}", by="bob")

    assert await differences(client, JOB_ROUTES, theirs) == []


async def test_what_is_anothers_is_waited_for_by_nobody(client: Client, database: str) -> None:
    """Whoever waits for a row that its owner works on knows that there is one, and keeps the next from it."""
    job = str(await add_job(database, owner="bob"))
    file = (await client.upload(by="bob", job_id=job))["id"]
    asked = {"name": "n", "kind": "probe", "source_file_ids": [file]}
    upload = "/api/v1/files?category=uploads&filename=a"
    routes: list[tuple[str, str, dict[str, Any]]] = [
        *((method, path.format(id=file), about) for method, path, about in FILE_ROUTES),
        *((method, path.format(id=job), about) for method, path, about in JOB_ROUTES),
        ("PATCH", f"/api/v1/files/{file}", {"json": {"filename": "b"}, "headers": {"If-Match": "*"}}),
        ("PATCH", f"/api/v1/files/{file}", {"json": {"labels": {"event": "e"}}}),
        ("DELETE", f"/api/v1/files/{file}?derived=keep", {}),
        ("PATCH", f"/api/v1/jobs/{job}", {"json": {"labels": {"event": "e"}}}),
        ("POST", "/api/v1/jobs", {"json": asked}),
        ("POST", f"{upload}&job_id={job}", {"content": b"a"}),
        ("POST", f"{upload}&parent_id={file}", {"content": b"a"}),
    ]

    waited = []
    async with CONNECTIONS.lend(database) as connection, connection.transaction():
        for table in ("analysis_jobs", "media_files"):
            await connection.execute(f"SELECT FROM {table} FOR UPDATE")
        for method, path, about in routes:
            try:
                answer = await asyncio.wait_for(client.request(method, path, **about), 20)
            except TimeoutError:
                waited.append(f"{method} {path}")
            else:
                assert 400 <= answer.status_code < 500, (method, path, answer.text)

    assert waited == []


async def test_a_foreign_session_is_unknown_too(client: Client) -> None:
    theirs = (await client.request("GET", "/api/v1/sessions/me", by="bob")).json()["id"]
    routes = [("DELETE", "/api/v1/sessions/{id}", {}), ("PATCH", "/api/v1/sessions/{id}", {"json": {"ttl_seconds": 5}})]

    told_apart = await differences(client, routes, theirs)

    assert told_apart == []
    assert (await client.request("GET", "/api/v1/sessions/me", by="bob")).status_code == 200


async def test_an_administrator_reaches_every_file_under_their_own_name(client: Client, database: str) -> None:
    theirs = await client.upload(b"content", by="bob")
    url = f"/api/v1/files/{theirs['id']}"

    read = await client.request("GET", url, by="admin")
    content = await client.request("GET", f"{url}/content", by="admin")
    deletion = await client.request("DELETE", url, by="admin")

    stones = await fetch(database, "SELECT owner, requested_by, rule FROM tombstones")
    assert read.json() == theirs
    assert content.content == b"content"
    assert deletion.status_code == 204
    assert [tuple(stone) for stone in stones] == [("bob", "admin", "requested")]


ADMIN_ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/v1/sessions", {"json": {"owner": "alice", "role": "admin", "ttl_seconds": 60}}),
    ("PATCH", f"/api/v1/sessions/{uuid4()}", {"json": {"ttl_seconds": 60}}),
    ("GET", "/api/v1/storage/validate", {}),
    ("POST", "/api/v1/storage/cleanup", {}),
    ("POST", "/api/v1/storage/cleanup?dry_run=false", {}),
    ("GET", "/api/v1/storage/sweeps", {}),
    ("GET", f"/api/v1/storage/sweeps/{uuid4()}", {}),
    ("POST", f"/api/v1/storage/sweeps/{uuid4()}/undo", {}),
    ("POST", "/api/v1/storage/plans", {"json": {}}),
    ("GET", "/api/v1/storage/plans", {}),
    ("GET", f"/api/v1/storage/plans/{uuid4()}", {}),
    ("GET", f"/api/v1/storage/plans/{uuid4()}/files", {}),
    ("POST", f"/api/v1/storage/plans/{uuid4()}/apply", {"json": {"hash": "0" * 64}}),
    ("GET", "/api/v1/storage/forecast", {}),
    ("GET", "/api/v1/storage/pressure", {}),
    ("POST", "/api/v1/storage/pressure/relieve", {}),
    ("POST", "/api/v1/storage/policies/preview", {"json": {}}),
    ("POST", "/api/v1/storage/pauses", {"json": {"reason": "mine"}}),
    ("GET", "/api/v1/storage/pauses", {}),
    ("POST", f"/api/v1/storage/pauses/{uuid4()}/resume", {"json": {"confirm": 0}}),
    ("GET", "/api/v1/audit", {}),
]
USER_ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/v1/sessions/me", {}),
    ("GET", "/api/v1/sessions", {}),
    ("GET", "/api/v1/storage/stats", {}),
    ("GET", "/api/v1/deletions", {}),
    ("GET", "/api/v1/files", {}),
    ("GET", "/api/v1/jobs", {}),
    ("GET", "/api/v1/jobs/archived", {}),
    ("POST", "/api/v1/jobs", {"json": {"name": "n", "kind": "external", "parameters": {"analyser": "x"}}}),
    ("GET", "/api/v1/results", {}),
    ("GET", f"/api/v1/results/{uuid4()}", {}),
    ("PATCH", f"/api/v1/results/{uuid4()}", {"json": {"expires_at": None}}),
    ("GET", "/api/v1/results/schemas/probe", {}),
    *((method, path.format(id=uuid4()), about) for method, path, about in JOB_ROUTES),
    ("POST", "/api/v1/files?category=temp&filename=a", {"content": b"x"}),
    *((method, path.format(id=uuid4()), about) for method, path, about in FILE_ROUTES if method != "HEAD"),
]


async def test_a_user_may_not_use_an_administrators_routes(client: Client) -> None:
    answers = [await client.request(method, path, **about) for method, path, about in ADMIN_ROUTES]

    assert [refusal(answer) for answer in answers] == [(403, "admin_required")] * len(ADMIN_ROUTES)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "mas_", "Bearer mas_unknown", "Bearer x"]
)
async def test_nobody_gets_in_without_a_valid_token(client: Client, remains: Remains, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answers = [
        await client.request(method, path, by=None, **{**about, "headers": about.get("headers", {}) | headers})
        for method, path, about in ADMIN_ROUTES + USER_ROUTES
    ]

    assert {refusal(answer) for answer in answers} == {(401, "token_rejected")}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert await remains() == []


async def test_a_token_is_never_repeated_in_a_refusal(client: Client) -> None:
    token = "mas_" + "s3cret" * 8
    for header in (f"Bearer {token}", f"Bearer {token} {token}", f"Bearer {token * 90}", f"{token} {token}"):
        answer = await client.request("GET", "/api/v1/files", by=None, headers={"Authorization": header})

        assert refusal(answer) == (401, "token_rejected")
        assert "s3cret" not in answer.text + str(answer.headers)
