"""Methods of every resource: HEAD as GET, OPTIONS, what Allow says, and which documents are taken."""

import re
from typing import Any
from uuid import UUID

import pytest

from tests.api.answers import problem_in
from tests.api.raw import Speaker, spoken
from tests.conftest import Client

ANY = str(UUID(int=7))
FILES = "/api/v1/files"


@pytest.fixture
async def methods(client: Client) -> dict[str, set[str]]:
    """What the document says each path answers to, and what comes with GET; every path made one that could be."""
    document = (await client.request("GET", "/openapi.json")).json()
    told = {
        re.sub(r"\{\w+\}", ANY, path): {method.upper() for method in item} for path, item in document["paths"].items()
    }
    return {path: known | {"OPTIONS"} | ({"HEAD"} & {"HEAD" if "GET" in known else ""}) for path, known in told.items()}


async def test_options_and_405_tell_every_method_of_a_path(client: Client, methods: dict[str, set[str]]) -> None:
    pages = {path: {"GET", "HEAD", "OPTIONS"} for path in ("/docs", "/openapi.json", "/static-offline-docs/x.js")}

    told = {}
    for path, known in (methods | pages).items():
        options = await client.request("OPTIONS", path, by=None)
        refused = [await client.request(method, path, by=None) for method in ("TRACE", "BREW")]
        other = next((method for method in ("PUT", "POST", "DELETE", "PATCH") if method not in known), "TRACE")
        refused.append(await client.request(other, path, by="alice", content=b"x"))
        assert [problem_in(answer)["code"] for answer in refused] == ["method_not_allowed"] * 3
        told[path] = [set(answer.headers["allow"].split(", ")) for answer in (options, *refused)]
        assert (options.status_code, options.content) == (204, b"")

    assert told == {path: [known] * 4 for path, known in (methods | pages).items()}


async def test_an_unknown_path_has_no_methods(client: Client) -> None:
    for path in (
        "/api/v1/nothing",
        f"{FILES}/",
        f"{FILES}%0A",
        "/api/v1/files/a/b/c",
        "//api/v1/files",
        "/healthz/x",
    ):
        for method in ("GET", "HEAD", "OPTIONS", "POST", "BREW"):
            answer = await client.request(method, path, content=b"x")
            assert answer.status_code == 404, (method, path)
            assert method == "HEAD" or problem_in(answer)["code"] == "not_found"


async def test_head_is_get_without_the_content(client: Client, speaker: Speaker) -> None:
    file = (await client.upload())["id"]
    asked = {"name": "n", "kind": "probe", "source_file_ids": [file]}
    job = (await client.request("POST", "/api/v1/jobs", json=asked)).json()["id"]
    paths = [
        *("/healthz", "/docs", "/openapi.json", "/static-offline-docs/none.js", "/api/v1/nothing"),
        *(FILES, f"{FILES}?limit=x", f"{FILES}/{file}", f"{FILES}/{ANY}", f"{FILES}/{file}/content"),
        *("/api/v1/sessions/me", f"/api/v1/jobs/{job}", f"/api/v1/jobs/{job}/events", "/api/v1/storage/plans"),
    ]

    for path in paths:
        get = await speaker.say("GET", path, *(["Range: bytes=0-99"] if path.endswith("x") else []), **ending(path))
        head = await speaker.say("HEAD", path)
        assert (head.status, lasting(head.headers), head.body) == (get.status, lasting(get.headers), b""), path
        assert get.body

    without_token = await speaker.say("HEAD", FILES, by=None)
    admin = client.tokens["admin"]
    export = [await speaker.say(method, "/api/v1/storage/records/audit/export", by=admin) for method in ("HEAD", "GET")]
    part = await speaker.say("HEAD", f"{FILES}/{file}/content", "Range: bytes=0-1")
    assert (without_token.status, without_token.body) == (401, b"")
    assert lasting(export[0].headers) == lasting(export[1].headers)
    assert (part.status, part.headers["content-length"]) == (200, "10")


def ending(path: str) -> dict[str, Any]:
    return {"until": b"retry: "} if path.endswith("/events") else {}


def lasting(headers: dict[str, str]) -> dict[str, str]:
    """Everything but what every answer has of its own, and how a body would be framed."""
    return {k: v for k, v in headers.items() if k not in {"date", "x-request-id", "transfer-encoding", "last-modified"}}


TAKEN = (
    "application/json",
    "Application/JSON; charset=UTF-8",
    'application/json;charset="utf-8"',
    "application/merge-patch+json",
)
OTHERS = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "json",
    "application/+json",
    "text/json",
)


async def test_a_document_says_that_it_is_one(client: Client, speaker: Speaker) -> None:
    url = f"{FILES}/{(await client.upload())['id']}"
    body = b'{"filename": "a"}'

    for told in TAKEN:
        assert (await speaker.say("PATCH", url, f"Content-Type: {told}", body=body)).status == 200, told
    said = [await speaker.say("PATCH", url, f"Content-Type: {told}", body=b'{"filename": "b"}') for told in OTHERS]
    said.append(await speaker.say("PATCH", url, body=b'{"filename": "b"}'))
    said.append(await speaker.say("PATCH", url, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"))
    latin = await speaker.say("PATCH", url, "Content-Type: application/json; charset=latin-1", body=body)

    for answer in (*said, latin):
        assert (answer.status, answer.problem["code"]) == (415, "document_type_not_accepted")
        assert answer.problem["accepted"] == ["application/json"]
        assert answer.headers["accept"] == answer.headers["accept-patch"] == "application/json"
    assert "no Content-Type" in said[-1].problem["detail"]
    assert "charset" in latin.problem["detail"]
    assert (await client.request("GET", url)).json()["filename"] == "a"
    assert (await speaker.say("PATCH", url)).status == 422
    assert (await speaker.say("PATCH", url, "Content-Type: text/plain")).status == 422
    options = await speaker.say("OPTIONS", url, by=None)
    assert options.headers["accept-patch"] == "application/json"


async def test_every_route_that_takes_a_document_says_so(client: Client, methods: dict[str, set[str]]) -> None:
    document = (await client.request("GET", "/openapi.json")).json()
    takes = {
        (method, re.sub(r"\{\w+\}", ANY, path))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }

    refused = {}
    for method, path in takes:
        answer = await client.request(method, path, by="admin", content=b"{}", headers={"Content-Type": "text/plain"})
        nobody = await client.request(method, path, by=None, content=b"{}", headers={"Content-Type": "text/plain"})
        refused[method, path] = (answer.status_code, answer.headers["accept"], nobody.status_code)

    assert len(takes) > 10
    assert refused == dict.fromkeys(takes, (415, "application/json", 401))


async def test_the_server_itself_answers_what_its_options_are(speaker: Speaker) -> None:
    answer = await spoken(speaker.port, b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 204 ")
