"""Wishes given twice, or in a form that can be read in two ways: refused by name, and nothing is done."""

import json

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from media_analysis.api.documents import DocumentRoute
from tests.api.answers import problem_in
from tests.api.answers import refusal as refusal_in
from tests.api.raw import Speaker
from tests.conftest import Client

FILES = "/api/v1/files"
JSON = "Content-Type: application/json"


async def test_a_parameter_given_twice_is_refused_by_name(client: Client, speaker: Speaker) -> None:
    url = f"{FILES}/{(await client.upload())['id']}"
    refused = {
        ("DELETE", f"{url}?dry_run=true&dry_run=false"): "dry_run",
        ("DELETE", f"{url}?dry_run=true&dry_run=true"): "dry_run",
        ("DELETE", f"{url}?dry_run=true&reason=a&dry%5Frun="): "dry_run",
        ("DELETE", f"{url}?reason&reason"): "reason",
        ("GET", f"{FILES}?limit=1&limit=2"): "limit",
        ("POST", f"{FILES}?category=temp&filename=a&filename=b"): "filename",
        ("POST", "/api/v1/storage/cleanup?category=temp&dry_run=true&category=frames"): "category",
        ("PATCH", f"{url}?a=1&a=2"): "a",
        ("GET", "/healthz?a&a"): "a",
    }

    said = {key: await speaker.say(*key, body=b"x") for key in refused}

    assert {key: answer.refusal for key, answer in said.items()} == {
        key: (422, f"query.{name}: given twice")
        if "cleanup" not in key[1]
        else (403, "the request needs the scope storage")
        for key, name in refused.items()
    }
    assert (await client.request("GET", f"{url}/content")).content == b"some bytes"


async def test_a_list_may_be_given_as_often_as_it_has_members(client: Client) -> None:
    document = (await client.request("GET", "/openapi.json")).json()
    lists = [
        (path, method, parameter["name"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", [])
        if '"type": "array"' in json.dumps(parameter["schema"])
    ]

    page = {"Accept": "application/json"}  # of events, rather than what never ends
    answers = [
        await client.request(method, f"{path}?{name}=failed&{name}=failed", headers=page)
        for path, method, name in lists
    ]

    assert lists
    assert [answer.text for answer in answers if "given twice" in answer.text] == []
    assert ("/api/v1/jobs", "get", "status") in lists


async def test_a_member_named_twice_at_any_depth_is_refused_by_name(client: Client, speaker: Speaker) -> None:
    file = (await client.upload())["id"]
    job = await client.request("POST", "/api/v1/jobs", json={"name": "n", "kind": "probe", "source_file_ids": [file]})
    admin = client.tokens["admin"]
    twice = {
        ("PATCH", f"{FILES}/{file}"): (b'{"filename": "a", "filename": "b"}', "filename"),
        ("PATCH", f"/api/v1/jobs/{job.json()['id']}"): (b'{"ttl_seconds": 1, "ttl_seconds": 1}', "ttl_seconds"),
        ("PUT", f"{FILES}/{file}/hold"): (b'{"reason": "a", "\\u0072eason": "b"}', "reason"),
        ("POST", "/api/v1/jobs"): (b'{"name": "n", "kind": "frames", "parameters": {"fps": 1, "fps": 2}}', "fps"),
        ("POST", "/api/v1/sessions"): (b'{"owner": "a", "owner": "b", "role": "user"}', "owner"),
        ("POST", "/api/v1/storage/policies/preview"): (b'{"storage": {"quotas": {"a": 1, "a": 2}}}', "a"),
        ("POST", "/api/v1/storage/pauses"): (b'{"reason": "a", "reason": "b"}', "reason"),
        ("PUT", f"/api/v1/jobs/{job.json()['id']}/results/k?fence=1"): (b'{"a": [{"b": 1, "b": 1}]}', "b"),
        ("POST", "/api/v1/jobs/claims"): (b'{"analysers": ["a"], "analysers": ["b"], "worker": "w"}', "analysers"),
        ("POST", f"{FILES}/nonsense/hold?x"): (b'{"a": {"a": 1}}', None),
    }

    said = {key: await speaker.say(*key, JSON, body=body, by=admin) for key, (body, _) in twice.items()}

    for key, (_, name) in twice.items():
        assert name is None or said[key].refusal == (422, f"body.{name}: given twice"), key
    contains = await client.request("GET", "/api/v1/results", params={"contains": '{"a": {"b": 1, "b": 2}}'})
    assert contains.json()["detail"] == "contains.b: given twice"
    assert (await client.request("GET", f"{FILES}/{file}")).json()["filename"] == "file.bin"


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("Idempotency-Key: a", "Idempotency-Key: b"),
        ("Content-Type: text/plain", "Content-Type: text/csv"),
        ("X-Request-ID: a", "x-request-id: a"),
        ("Last-Event-ID: 1", "Last-Event-ID: 2"),
        ("Range: bytes=0-1", "Range: bytes=2-3"),
        ('If-Range: "a"', 'If-Range: "b"'),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "If-Unmodified-Since: Fri, 31 Dec 2100 23:59:59 GMT"),
        ("Authorization: Bearer a", "Authorization: Bearer a"),
    ],
)
async def test_a_header_that_says_one_thing_is_there_once(
    client: Client, speaker: Speaker, line: str, other: str
) -> None:
    by = None if line.startswith("Authorization") else ""

    said = await speaker.say("POST", f"{FILES}?category=temp&filename=a", line, other, body=b"x", by=by)

    assert (said.status, said.problem["detail"].lower()) == (422, f"{line.partition(':')[0].lower()}: given twice")
    assert (await client.request("GET", FILES)).json()["items"] == []


async def test_a_key_is_remembered_or_refused(client: Client) -> None:
    document = (await client.request("GET", "/openapi.json")).json()
    key = {"Idempotency-Key": "once"}
    routes = [path for path, item in document["paths"].items() if "post" in item and path != FILES]

    answers = [await client.request("POST", path, by="admin", headers=key) for path in routes]
    upload = await client.request("POST", FILES, params={"category": "temp", "filename": "a"}, content=b"", headers=key)

    assert {problem_in(answer).get("field") for answer in answers} == {"Idempotency-Key"}
    assert upload.status_code == 201
    assert (await client.request("GET", FILES, headers=key)).status_code == 200


async def test_what_json_does_not_have_is_refused_in_words(client: Client) -> None:
    url = f"{FILES}/{(await client.upload())['id']}"
    documents = {
        b'\xef\xbb\xbf{"filename": "a"}': "begins with a byte order mark, which JSON does not have",
        b'{"ttl_seconds": NaN}': "is not JSON: NaN is no number in it",
        b'{"ttl_seconds": -Infinity}': "is not JSON: -Infinity is no number in it",
        b'{"filename": "\xff"}': "is not UTF-8",
        '{"filename": "a"}'.encode("utf-16"): "is not UTF-8",
        b'{"filename": "a",}': "is not JSON, from character 17 on",
        b"[" * 30_000: "is nested too deep",
        b'{"ttl_seconds": ' + b"9" * 5000 + b"}": "is not JSON",
    }
    tree = b'{"storage": {"quotas": {"frames": NaN}}}'

    said = {
        document: await client.request("PATCH", url, content=document, headers={"Content-Type": "application/json"})
        for document in documents
    }
    policy = await client.request(
        "POST",
        "/api/v1/storage/policies/preview",
        by="admin",
        content=tree,
        headers={"Content-Type": "application/json"},
    )

    assert {document: answer.json()["detail"] for document, answer in said.items()} == {
        document: f"body: {reason}" for document, reason in documents.items()
    }
    assert {refusal_in(answer) for answer in (*said.values(), policy)} == {(422, "invalid_request")}


def test_every_route_that_takes_a_document_reads_it_once_and_strictly(app: FastAPI) -> None:
    loose = [
        context.path
        for context in iter_route_contexts(app.routes)
        if getattr(context, "body_field", None) is not None and not isinstance(context.original_route, DocumentRoute)
    ]

    assert loose == []
