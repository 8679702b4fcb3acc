"""What pages of other origins may do: whatever the API does, with a token; and no others anything."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from media_analysis.app import create_app
from media_analysis.runtime import Runtime
from media_analysis.settings import load_settings
from tests.api.answers import refusal
from tests.conftest import Client

OURS, THEIRS = "https://app.example.org", "https://evil.example"
ALLOWED = "access-control-allow-origin"
FILES = "/api/v1/files"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"SERVER_ALLOWED_ORIGINS": f"http://localhost:5173, {OURS}"}


async def preflight(
    client: Client, path: str, origin: str = OURS, method: str = "PATCH", headers: str = ""
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method} | (
        {"Access-Control-Request-Headers": headers} if headers else {}
    )
    return await client.request("OPTIONS", path, by=None, headers=asked)


async def test_every_route_is_asked_about_first_and_answers(client: Client) -> None:
    document = (await client.request("GET", "/openapi.json")).json()

    told = {
        (path, method): await preflight(client, path, method=method.upper(), headers="authorization,content-type")
        for path, item in document["paths"].items()
        for method in item
    }

    assert {
        key for key, answer in told.items() if (answer.status_code, answer.headers.get(ALLOWED)) != (200, OURS)
    } == set()


async def test_uploads_in_pieces_are_asked_about_and_asked(client: Client) -> None:
    names = (
        "authorization,tus-resumable,upload-length,upload-metadata,upload-offset,upload-checksum,x-http-method-override"
    )

    first = await preflight(client, "/api/v1/uploads", method="POST", headers=names)
    spoken = await client.request("OPTIONS", "/api/v1/uploads", by=None, headers={"Origin": OURS})
    sized = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Origin": OURS}
    created = await client.request("POST", "/api/v1/uploads", headers=sized)

    exposed = {name.lower() for name in created.headers["access-control-expose-headers"].split(", ")}
    assert first.status_code == 200
    assert (spoken.status_code, spoken.headers["tus-version"], spoken.headers[ALLOWED]) == (204, "1.0.0", OURS)
    assert created.status_code == 201
    own = {"date", "vary", "access-control-allow-origin", "access-control-expose-headers", "x-content-type-options"}
    own |= {"x-frame-options", "content-security-policy", "referrer-policy"}
    assert {name for name in created.headers if name not in own} <= exposed
    assert {"location", "upload-offset", "etag", "content-range", "retry-after", "link"} <= exposed


async def test_answers_of_every_kind_can_be_read_by_pages_of_ours_alone(client: Client) -> None:
    file = await client.upload()
    asked: dict[str, tuple[str, str, dict[str, Any], int]] = {
        "described": ("GET", f"{FILES}/{file['id']}", {}, 200),
        "listed": ("GET", FILES, {}, 200),
        "content": ("GET", f"{FILES}/{file['id']}/content", {}, 200),
        "stored": ("POST", f"{FILES}?category=uploads&filename=b.bin", {"content": b"b"}, 201),
        "nobody's": ("GET", FILES, {"by": None}, 401),
        "nowhere": ("GET", "/nowhere", {}, 404),
        "too large": ("POST", "/api/v1/jobs", {"json": ["x" * 100_000]}, 413),
        "invalid": ("GET", f"{FILES}?limit=0", {}, 422),
        "healthy": ("GET", "/healthz", {"by": None}, 200),
    }

    for name, (method, path, about, status) in asked.items():
        for origin in (OURS, THEIRS):
            answer = await client.request(method, path, headers={"Origin": origin}, **about)
            assert answer.status_code == status, name
            assert answer.headers.get(ALLOWED) == (OURS if origin == OURS else None), name
            assert "Origin" in answer.headers["vary"], name
            assert "access-control-allow-credentials" not in answer.headers, name


async def test_a_bug_is_readable_and_has_an_id(runtime: Runtime, client: Client, app: FastAPI) -> None:
    app.state.services = SimpleNamespace(metrics=runtime.metrics)  # and nothing that answers

    answer = await client.request("GET", FILES, headers={"Origin": OURS})
    app.state.services = runtime

    assert refusal(answer) == (500, "internal_error")
    assert (answer.headers[ALLOWED], answer.headers["x-content-type-options"]) == (OURS, "nosniff")
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("origin", "method", "headers"),
    [
        (THEIRS, "GET", ""),
        ("null", "GET", ""),
        (f"{OURS}.evil.example", "GET", ""),
        (OURS, "BREW", ""),
        (OURS, "GET", "cookie"),
    ],
)
async def test_what_is_not_allowed_is_refused_first(client: Client, origin: str, method: str, headers: str) -> None:
    answer = await preflight(client, FILES, origin, method, headers)

    assert answer.status_code == 400
    assert origin == OURS or ALLOWED not in answer.headers


async def test_without_origins_nothing_is_said_of_them(runtime: Runtime, environment: dict[str, str]) -> None:
    without = {name: value for name, value in environment.items() if name != "SERVER_ALLOWED_ORIGINS"}
    app = create_app(replace(runtime, settings=load_settings(environ=without).settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = await preflight(Client(http), FILES)

    assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, POST")
    assert [name for name in answer.headers if name.startswith("access-control") or name == "vary"] == []
