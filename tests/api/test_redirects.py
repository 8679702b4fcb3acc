"""Downloads that the bucket sends itself: who is led there, for how long, and who is not."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
import structlog

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.api.cookies import COOKIE
from media_analysis.errors import InvalidSettings
from media_analysis.runtime import Runtime, open_services
from media_analysis.settings import Settings
from media_analysis.settings.postgres import database_options
from media_analysis.storage.remote.address import RemoteAddress
from tests.api.links import share, use
from tests.api.raw import PATIENCE
from tests.archive.archived import archive, make_run
from tests.conftest import Client, OpenRuntime, fetch
from tests.oracle import inspect_everything
from tests.reused import Pool
from tests.s3 import ENVIRONMENT, mirror, new_bucket

pytestmark = pytest.mark.s3
CONTENT = os.urandom(200_000)
"""More than comes with the answer."""


@pytest.fixture(scope="module")
async def bucket() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield made


@pytest.fixture
def site(bucket: RemoteAddress) -> RemoteAddress:
    return replace(bucket, prefix=uuid4().hex)


@pytest.fixture
def environment(environment: dict[str, str], site: RemoteAddress, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return environment | {"STORAGE_URL": str(site), "STORAGE_DOWNLOADS": "redirect"}


@pytest.fixture
def open_here(
    settings: Settings, database: str, pool: Pool, shared_fork_server: ForkServer, site: RemoteAddress, tmp_path: Path
) -> OpenRuntime:
    """Opens the services; when they are closed, the oracle inspects a copy of the bucket."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[Runtime]:
        async with (
            pool.lend(database, database_options(settings)) as db,
            open_services(settings, db, shared_fork_server) as opened,
        ):
            yield opened
        assert await inspect_everything(database, await mirror(site, tmp_path / "mirrored")) == []

    return opening


async def ask(client: Client, file: dict[str, Any], **headers: str) -> httpx.Response:
    """Ask for a file's bytes, and follow nothing."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("GET", f"/api/v1/files/{file['id']}/content", headers=told)


async def follow(answer: httpx.Response, **headers: str) -> httpx.Response:
    """Ask where an answer leads, without a token."""
    assert answer.status_code == 307, answer.text
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        return await http.get(answer.headers["location"], headers=headers)


async def test_the_bucket_sends_what_the_service_would_and_a_browser_only_keeps_it(client: Client) -> None:
    film = await client.upload(CONTENT, filename="Grüße 100%.bin")
    page = await client.upload(b"<!doctype html><script>alert(1)</script>" + b" " * 100_000, filename="a.html")

    answer = await ask(client, film)
    whole, part = await follow(answer), await follow(await ask(client, film, Range="bytes=7-"), Range="bytes=7-")
    markup = await follow(await ask(client, page))

    assert (whole.status_code, whole.content, part.status_code, part.content) == (200, CONTENT, 206, CONTENT[7:])
    assert (answer.headers["cache-control"], answer.content) == ("private, no-store", b"")
    told = "attachment; filename=\"Gr__e 100_.bin\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20100%25.bin"
    assert whole.headers["content-disposition"] == told
    assert markup.headers["content-type"] == "application/octet-stream"
    assert markup.headers["content-disposition"].startswith("attachment;")


async def test_conditions_and_ranges_are_judged_before_anybody_is_led_away(client: Client) -> None:
    file = await client.upload(CONTENT)
    address = f"/api/v1/files/{file['id']}/content"
    described = await client.request("HEAD", address)
    tag, sends = described.headers["etag"], {}

    for name, value in {
        "If-None-Match": tag,
        "If-Match": tag,
        "If-Range": tag,
        "If-Unmodified-Since": described.headers["last-modified"],
    }.items():
        sends[name] = (await client.request("GET", address, headers={name: value})).status_code
    refused = await client.request("GET", address, headers={"If-Match": '"another"'})
    beyond = await client.request("GET", address, headers={"Range": f"bytes={len(CONTENT)}-"})
    resumed = await client.request("GET", address, headers={"Range": "bytes=5-", "If-Range": tag})

    assert described.headers["content-length"] == str(len(CONTENT))
    assert sends == {"If-None-Match": 304, "If-Match": 200, "If-Range": 200, "If-Unmodified-Since": 200}
    assert (refused.status_code, beyond.status_code) == (412, 416)
    assert (resumed.status_code, resumed.content) == (206, CONTENT[5:])


async def test_who_goes_on_with_bytes_of_the_bucket_is_led_there_again(client: Client) -> None:
    file = await client.upload(CONTENT)
    first = await follow(await ask(client, file))
    headers = {"Range": "bytes=5-", "If-Range": first.headers["etag"]}

    rest = await follow(await ask(client, file, **headers), **headers)

    assert (rest.status_code, rest.content) == (206, CONTENT[5:])


async def test_what_is_small_and_what_the_page_shows_comes_from_the_service(client: Client) -> None:
    file, small = await client.upload(CONTENT), await client.upload(b"some bytes")
    cookie = {"Cookie": f"{COOKIE}={client.tokens['alice']}", "Sec-Fetch-Site": "same-origin"}

    shown = await client.request("GET", f"/api/v1/files/{file['id']}/content", by=None, headers=cookie)
    ranged = await ask(client, small, Range="bytes=5-")

    assert (shown.status_code, shown.content) == (200, CONTENT)
    assert (ranged.status_code, ranged.content) == (206, b"bytes")


async def test_a_link_leads_to_the_bucket_unless_browsers_are_to_show_the_file(client: Client) -> None:
    png = b"\x89PNG\r\n\x1a\n" + CONTENT
    file = await client.upload(png, filename="a.png")
    kept, shown = await share(client, file), await share(client, file, disposition="inline")

    led = await use(client, kept, headers={"Cookie": "other=1"})
    inline = await use(client, shown)

    assert (await follow(led)).content == png
    assert (inline.status_code, inline.headers["content-disposition"][:6]) == (200, "inline")


async def test_an_address_lives_no_longer_than_its_file_or_link(client: Client) -> None:
    lasting, brief = await client.upload(CONTENT), await client.upload(CONTENT, ttl_seconds="40")
    link = await share(client, lasting, expires_in=30)

    led = [await ask(client, lasting), await ask(client, brief), await use(client, link)]

    seconds = [int(parse_qs(urlsplit(answer.headers["location"]).query)["X-Amz-Expires"][0]) for answer in led]
    assert 40 < seconds[0] <= 60
    assert 0 < seconds[1] <= 40
    assert 0 < seconds[2] <= 30


async def test_what_cannot_be_read_leads_nowhere(client: Client, runtime: Runtime, database: str) -> None:
    file, brief, lost = [await client.upload(CONTENT) for _ in range(3)]
    before = await ask(client, file)

    foreign = await client.request("GET", f"/api/v1/files/{file['id']}/content", by="bob")
    await client.request("DELETE", f"/api/v1/files/{file['id']}")
    await fetch(database, "UPDATE media_files SET expires_at = now() WHERE id = $1 RETURNING id", brief["id"])
    keys = await fetch(database, "SELECT key FROM media_files WHERE id = $1", lost["id"])
    await runtime.store.delete_many([keys[0]["key"]])

    answers = [foreign, *[await ask(client, each) for each in (file, brief, lost)]]
    assert [answer.status_code for answer in answers] == [404, 410, 410, 503]
    assert (await follow(before)).status_code == 404
    await client.request("DELETE", f"/api/v1/files/{lost['id']}")


async def test_nothing_that_is_logged_has_an_address(client: Client) -> None:
    file = await client.upload(CONTENT)

    with structlog.testing.capture_logs() as logged:
        answer = await ask(client, file)

    assert "X-Amz-Signature" in answer.headers["location"]
    assert logged
    assert "X-Amz" not in str(logged)


async def test_a_packed_run_comes_from_the_bucket_and_a_file_in_it_from_the_service(
    client: Client, runtime: Runtime
) -> None:
    run = await make_run(runtime, {"large.bin": CONTENT})
    await archive(runtime, run.id)
    at = f"/api/v1/jobs/{run.id}/archive"

    packed = await follow(await client.request("GET", f"{at}/download"))
    whole = await client.request("GET", f"{at}/download", headers={"If-Match": "*"})
    member = await client.request("GET", f"{at}/files/{run.files['large.bin'].id}/content")

    assert len(CONTENT) < len(packed.content)
    assert (packed.content, member.status_code, member.content) == (whole.content, 200, CONTENT)


async def test_a_bucket_of_which_nothing_signs_addresses_is_refused_at_start(
    open_here: OpenRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REQUEST_PAYER", "true")

    with pytest.raises(InvalidSettings, match="STORAGE_DOWNLOADS is redirect, but nothing signs addresses in s3://"):
        async with open_here():
            pass
