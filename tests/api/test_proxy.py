"""The service as clients see it through nginx, as the manual configures that: addresses, streams, who asks."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from media_analysis.runtime import Runtime
from tests.api.proxies import LOG, Proxy, nginx_before
from tests.api.raw import PATIENCE, served
from tests.api.tus import PIECE, metadata
from tests.conftest import Client

ROOT = "/media"
BOTH_WAYS = pytest.mark.parametrize("alice", ["kept", "stripped"], indirect=True)
"""Whether the proxy leaves the root path of requests where it is."""
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"SERVER_ROOT_PATH": ROOT, "SERVER_TRUSTED_PROXIES": "127.0.0.1"}


@pytest.fixture
async def proxy(app: FastAPI, client: Client, tmp_path: Path) -> AsyncIterator[Proxy]:
    async with served(app) as port, nginx_before(port, tmp_path) as running:
        yield running


@pytest.fixture
async def alice(request: pytest.FixtureRequest, proxy: Proxy, client: Client) -> AsyncIterator[httpx.AsyncClient]:
    """alice, who knows the service by its address at the proxy; as a rule that takes the root path away."""
    async with proxy.client(getattr(request, "param", "stripped"), client.tokens["alice"]) as http:
        yield http


def addresses_in(document: Any) -> list[str]:
    """Return all texts of a document that are paths of the interface, rooted or not."""
    match document:
        case dict():
            return [found for value in document.values() for found in addresses_in(value)]
        case list():
            return [found for value in document for found in addresses_in(value)]
        case str() if re.search(r"/api/v\d/", document):
            return [document]
    return []


@BOTH_WAYS
async def test_whatever_an_answer_points_at_is_there(alice: httpx.AsyncClient) -> None:
    made = await alice.post(f"{ROOT}/api/v1/files?category=uploads&filename=a.bin", content=b"bytes")
    unusual = await alice.post(
        f"{ROOT}/api/v1/files?category=uploads&filename=b.bin", content=b"bytes", headers={"Idempotency-Key": "b"}
    )
    asked = {
        "kind": "external",
        "name": "n",
        "parameters": {"analyser": "words"},
        "source_file_ids": [made.json()["id"]],
    }
    job = await alice.post(f"{ROOT}/api/v1/jobs", json=asked)
    claim = await alice.post(f"{ROOT}/api/v1/jobs/claims", json={"analysers": ["words"], "worker": "w"})
    pages = [await alice.get(f"{ROOT}/api/v1/files?limit=1")]
    pages.append(await alice.get(f"{ROOT}/api/v1/files", params={"limit": 1, "cursor": pages[0].json()["next_cursor"]}))

    told = [answer.headers["location"] for answer in (made, unusual, job)] + addresses_in(claim.json())
    found = [await alice.get(address) for address in told]
    assert len(told) == 4
    assert all(address.startswith(f"{ROOT}/api/v1/") for address in told)
    assert [answer.status_code for answer in found] == [200] * 4
    assert found[3].content == b"bytes"
    assert [page.json()["items"][0]["filename"] for page in pages] == ["b.bin", "a.bin"]


@BOTH_WAYS
async def test_an_upload_in_pieces_leads_to_its_file(alice: httpx.AsyncClient) -> None:
    about = {"Upload-Length": "10", "Upload-Metadata": metadata(filename="ten.bin")}
    created = await alice.post(f"{ROOT}/api/v1/uploads", headers=TUS | about)
    at = created.headers["location"]
    pieces = [
        await alice.patch(at, content=b"12345", headers=TUS | {"Upload-Offset": offset, "Content-Type": PIECE})
        for offset in ("0", "5")
    ]
    content = await alice.get(f"{pieces[1].headers['location']}/content")
    asked = await alice.options(f"{ROOT}/api/v1/uploads")

    assert created.status_code == 201
    assert at.startswith(f"{ROOT}/api/v1/uploads/")
    assert [piece.status_code for piece in pieces] == [204, 204]
    assert (content.status_code, content.content) == (200, b"1234512345")
    assert asked.headers["tus-version"] == "1.0.0"


async def logged(path: Path, last: str) -> str:
    """Return what the proxy has written down, which it does when it has answered, once it has so much."""
    async with asyncio.timeout(PATIENCE):
        while last not in (log := path.read_text()):  # noqa: ASYNC110, ASYNC240 - a line of another process
            await asyncio.sleep(0.01)
    return log


async def test_bytes_arrive_before_their_request_ends(alice: httpx.AsyncClient) -> None:
    created = await alice.post(f"{ROOT}/api/v1/uploads", headers=TUS | {"Upload-Length": "200000"})
    at, telling = created.headers["location"], {"Upload-Offset": "0", "Content-Type": PIECE}
    offset = 0

    async with asyncio.timeout(PATIENCE):
        while offset == 0:  # whoever asks may end the other request before any byte of it has come
            sent, over = asyncio.Event(), asyncio.Event()
            patching = asyncio.create_task(alice.patch(at, content=_halves(sent, over), headers=TUS | telling))
            await asyncio.wait([patching, asyncio.create_task(sent.wait())], return_when=asyncio.FIRST_COMPLETED)
            sent.set()
            offset = int((await alice.head(at, headers=TUS)).headers["upload-offset"])
            if offset == 0:
                patching.cancel()
                await asyncio.wait([patching])
    ended_early = patching.done()
    over.set()
    await asyncio.wait([patching])

    assert patching.exception() is not None or patching.result().status_code >= 400
    assert 0 < offset <= 100_000
    assert not ended_early or patching.exception() is None


async def _halves(sent: asyncio.Event, over: asyncio.Event) -> AsyncIterator[bytes]:
    yield bytes(100_000)
    sent.set()
    await over.wait()


async def test_events_of_a_job_come_one_by_one(alice: httpx.AsyncClient) -> None:
    file = await alice.post(f"{ROOT}/api/v1/files?category=uploads&filename=a.bin", content=b"bytes")
    asked = {"kind": "probe", "name": "n", "source_file_ids": [file.json()["id"]]}
    job = (await alice.post(f"{ROOT}/api/v1/jobs", json=asked)).headers["location"]

    told: list[str] = []
    async with asyncio.timeout(PATIENCE), alice.stream("GET", f"{job}/events") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                told.append(json.loads(line.removeprefix("data: "))["status"])
                if len(told) == 1:  # it has come although the stream goes on
                    assert (await alice.post(f"{job}/cancel")).status_code == 200

    assert told == ["pending", "cancelled"]


@BOTH_WAYS
async def test_the_reference_finds_its_document_and_clients_their_server(alice: httpx.AsyncClient) -> None:
    page = await alice.get(f"{ROOT}/docs")
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text) + re.findall(r"url: '([^']+)'", page.text)
    shown = {part: (await alice.get(part)).status_code for part in parts}
    document = (await alice.get(f"{ROOT}/openapi.json")).json()

    assert f"{ROOT}/openapi.json" in shown
    assert set(shown.values()) == {200}
    assert document["servers"] == [{"url": ROOT}]
    assert "/api/v1/files" in document["paths"]


async def test_a_large_body_is_refused_in_the_words_of_the_service(alice: httpx.AsyncClient) -> None:
    stored = await alice.post(f"{ROOT}/api/v1/files?category=uploads&filename=a.bin", content=bytes(3 * 2**20))
    refused = await alice.post(f"{ROOT}/api/v1/jobs", json={"x": "x" * 2**20})
    closed = [(await alice.get(f"{ROOT}/{name}")).status_code for name in ("metrics", "readyz", "healthz")]

    assert stored.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert closed == [403, 403, 200]


async def test_who_brings_a_wrong_token_is_told_by_the_proxy_and_not_by_themselves(
    proxy: Proxy, client: Client, runtime: Runtime
) -> None:
    lies = {"X-Forwarded-For": "203.0.113.7"}
    with capture_logs() as logs:
        async with proxy.client("kept", "mas_wrong", local_address="127.0.0.2") as stranger:
            refused = await stranger.get(f"{ROOT}/api/v1/files", headers=lies)

    assert refused.status_code == 401
    assert [line["last_from"] for line in logs if line["event"] == "token.rejected"] == ["127.0.0.2"]


@BOTH_WAYS
async def test_a_link_leads_through_the_proxy_whose_log_does_not_tell_it(
    alice: httpx.AsyncClient, proxy: Proxy, tmp_path: Path
) -> None:
    file = await alice.post(f"{ROOT}/api/v1/files?category=uploads&filename=a%20b.bin", content=b"bytes")
    shared = await alice.post(f"{file.headers['location']}/links", json={})
    invited = await alice.post(f"{ROOT}/api/v1/uploads/links", json={"category": "temp", "max_bytes": 9})
    links = [answer.json()["url"] for answer in (shared, invited)]

    async with proxy.client("kept", "") as stranger:
        del stranger.headers["authorization"]
        read = await stranger.get(links[0], headers={"Range": "bytes=1-3"})
        brought = await stranger.put(links[1], content=b"brought")
    log = await logged(tmp_path / LOG, '"PUT ')

    assert {link.partition(ROOT)[0] for link in links} == {str(alice.base_url)}
    assert all(httpx.URL(link).path.startswith(f"{ROOT}/links/") for link in links)
    assert shared.headers["location"] == f"{ROOT}/api/v1/links/{shared.json()['id']}"
    assert (read.status_code, read.content) == (206, b"yte")
    assert brought.json()["size_bytes"] == 7
    for link, method in zip(links, ("GET", "PUT"), strict=True):
        head, _, proof = httpx.URL(link).path.partition(".")
        assert f'"{method} {head}.***"' in log
        assert proof.partition("/")[0] not in log
