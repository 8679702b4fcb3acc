"""Hostile documents and requests: always a 4xx problem, never a 500, never an echo of what was sent."""

import json
from typing import Any

import pytest

from tests.api.answers import problem_in
from tests.api.forms import in_pieces
from tests.conftest import Client

SECRET = "hunter2"
JSON_TYPE = "application/json"
HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", JSON_TYPE),
    "half": (b'{"filename": "hunter2', JSON_TYPE),
    "not a number": (b'{"ttl_seconds": NaN}', JSON_TYPE),
    "infinite": (b'{"ttl_seconds": -Infinity}', JSON_TYPE),
    "overflowing": (b'{"ttl_seconds": 1e999}', JSON_TYPE),
    "endless digits": (b'{"ttl_seconds": ' + b"9" * 20_000 + b"}", JSON_TYPE),
    "deep list": (b"[" * 30_000 + b"]" * 30_000, JSON_TYPE),
    "deep object": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, JSON_TYPE),
    "invalid UTF-8": (b'{"filename": "hunter2\xff\xfe"}', JSON_TYPE),
    "lone surrogate as a value": (b'{"filename": "hunter2\\ud800"}', JSON_TYPE),
    "lone surrogate as a field": (b'{"\\ud800": "hunter2"}', JSON_TYPE),
    "NUL": (b'{"filename": "hunter2\\u0000"}', JSON_TYPE),
    "unknown field": (b'{"password": "hunter2"}', JSON_TYPE),
    "known and unknown": (b'{"filename": "a", "password": "hunter2"}', JSON_TYPE),
    "many unknown fields": (json.dumps({f"f{n}": SECRET for n in range(3000)}).encode(), JSON_TYPE),
    "a long unknown field": (json.dumps({"f" * 60_000: SECRET}).encode(), JSON_TYPE),
    "other type": (b"filename=hunter2", "application/x-www-form-urlencoded"),
    "no JSON type": (b'{"filename": "hunter2"}', "text/plain"),
    "nonsense type": (b'{"filename": "hunter2"}', "\xff"),
    "form": (b"--b\r\n\r\nhunter2\r\n--b--", "multipart/form-data; boundary=b"),
    "compressed": (b"\x1f\x8b\x08hunter2", JSON_TYPE),
    "a scalar": (b'"hunter2"', JSON_TYPE),
    "null": (b"null", JSON_TYPE),
}


async def send(client: Client, method: str, path: str, body: Any, content_type: str = JSON_TYPE) -> Any:
    headers = [
        (b"Authorization", f"Bearer {client.tokens['admin']}".encode()),
        (b"Content-Type", content_type.encode("latin-1")),
    ]
    return await client.http.request(method, path, content=body, headers=headers)


@pytest.mark.parametrize("route", ["PATCH file", "PATCH session", "POST session"])
async def test_a_hostile_document_is_a_small_problem(client: Client, route: str) -> None:
    method, kind = route.split()
    made = (
        (await client.upload())["id"]
        if kind == "file"
        else (await client.request("GET", "/api/v1/sessions/me")).json()["id"]
    )
    path = f"/api/v1/{kind}s" + (f"/{made}" if method == "PATCH" else "")

    for name, (body, content_type) in HOSTILE.items():
        answer = await send(client, method, path, body, content_type)

        problem_in(answer)
        assert 400 <= answer.status_code < 500, (name, answer.text)
        assert SECRET not in answer.text, name
        assert len(answer.content) < 8_192, (name, len(answer.content))


async def test_a_document_past_its_bound_is_refused_with_and_without_a_length(client: Client) -> None:
    path = f"/api/v1/files/{(await client.upload())['id']}"
    fits = b'{"filename": "a"' + b" " * 65_000 + b"}"
    large = b'{"filename": "a"' + b" " * 2**20 + b"}"

    whole = await send(client, "PATCH", path, large)
    streamed = await send(client, "PATCH", path, in_pieces(large, 4096))

    assert (await send(client, "PATCH", path, fits)).status_code == 200
    for answer in (whole, streamed):
        assert (answer.status_code, problem_in(answer)["code"]) == (413, "body_too_large")
        assert answer.headers["x-request-id"]


async def test_an_endless_document_is_not_read_to_its_end(client: Client) -> None:
    read: list[int] = []

    async def body() -> Any:
        for number in range(10_000):
            read.append(number)
            yield bytes(16_384)

    answer = await send(client, "POST", "/api/v1/sessions", body())

    assert answer.status_code == 413
    assert len(read) < 10


async def test_a_refusal_names_what_was_wrong_in_the_words_of_the_client(client: Client) -> None:
    url = "/api/v1/files?category=temp&filename=a"
    path = f"/api/v1/files/{(await client.upload())['id']}"

    answers = [
        await client.request("POST", f"{url}&expires_at=soon", content=b"x"),
        await client.request("POST", f"{url}&ttl_seconds=5&expires_at=never", content=b"x"),
        await client.request("PATCH", path, json={"filename": "a\n", "ttl_seconds": -1}),
    ]

    said = [[(error["field"], error["reason"]) for error in problem_in(answer)["errors"]] for answer in answers]
    assert said == [
        [
            ("query.expires_at", "must be an instant such as 2030-01-31T12:00:00Z"),
            ("query.expires_at", "Input should be 'never'"),
        ],
        [("request", "ttl_seconds and expires_at exclude each other")],
        [
            ("body.filename", "control characters and lone surrogates are not allowed"),
            ("body.ttl_seconds", "Input should be greater than or equal to 1"),
        ],
    ]


WRONG_PATHS = [
    ("GET", "/api/v1/files/7"),
    ("GET", "/api/v1/files/%00"),
    ("GET", "/api/v1/files/%ED%A0%80"),
    ("GET", "/api/v1/files/..%2f..%2fetc%2fpasswd"),
    ("GET", "/api/v1/files/" + "9" * 5000),
    ("DELETE", "/api/v1/files/hunter2"),
    ("DELETE", "/api/v1/sessions/hunter2"),
    ("GET", "/api/v1/storage/sweeps/hunter2"),
    ("GET", "/api/v1/hunter2"),
    ("GET", "/hunter2"),
    ("PUT", "/api/v1/files"),
    ("TRACE", "/api/v1/files"),
    ("POST", "/healthz"),
    ("POST", "/api/v1/storage/cleanup?dry_run=perhaps"),
    ("POST", "/api/v1/storage/cleanup?category=hunter2"),
    ("POST", "/api/v1/storage/cleanup?dry_run=false&categroy=temp"),
    ("GET", "/api/v1/storage/sweeps?limit=0"),
    ("GET", "/api/v1/storage/sweeps?limit=501"),
    ("GET", "/api/v1/sessions?limit=-1"),
    ("GET", "/api/v1/sessions?cursor=hunter2"),
]


async def test_a_request_for_what_cannot_be_is_a_problem_too(client: Client) -> None:
    for method, path in WRONG_PATHS:
        answer = await client.request(method, path, by="admin")

        problem_in(answer)
        assert answer.status_code in {404, 405, 422}, (path, answer.text)
        assert SECRET not in answer.text


async def test_a_request_id_is_taken_over_only_when_it_is_harmless(client: Client) -> None:
    for given, kept in (("trace-1.a_B", True), ("a b", False), ("x" * 65, False), ('"><script>', False)):
        answer = await client.request("GET", "/healthz", headers={"X-Request-ID": given})

        assert (answer.headers["x-request-id"] == given) is kept
        assert answer.headers["x-request-id"]
