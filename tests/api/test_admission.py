"""Long requests: they end with their token, and one owner has only so many at a time; wrong tokens are counted."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.sessions import admission
from tests.api.analysers import Analyser, ask
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Remains
from tests.api.forms import FORM_TYPE, field, file
from tests.api.raw import rest, sent, served
from tests.api.streams import DEADLINE_SECONDS, streaming
from tests.conftest import Client, execute

LARGE = bytes(32 * 2**20)
RAW = "/api/v1/files?category=temp&filename=a"
REVOKED = "UPDATE user_sessions SET revoked_at = now() WHERE owner = 'alice'"
EXPIRED = "UPDATE user_sessions SET expires_at = now() WHERE owner = 'alice'"


class Half:
    """A body of which the second half comes when it is asked for."""

    def __init__(self, first: bytes = bytes(9000), second: bytes = b"end") -> None:
        self.first, self.second = first, second
        self.begun, self.rest = asyncio.Event(), asyncio.Event()

    async def sent(self) -> AsyncIterator[bytes]:
        yield self.first
        self.begun.set()
        await self.rest.wait()
        yield self.second


def post(client: Client, path: str, body: Half, by: str = "alice", **headers: str) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.request("POST", path, by=by, content=body.sent(), headers=headers))


async def answered(upload: asyncio.Task[httpx.Response]) -> httpx.Response:
    return await asyncio.wait_for(upload, DEADLINE_SECONDS)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOK_SECONDS", 0.05)


@pytest.mark.parametrize("ending", [REVOKED, EXPIRED], ids=["revoked", "expired"])
async def test_uploads_under_way_end_with_their_token_and_leave_nothing(
    client: Client, database: str, remains: Remains, ending: str
) -> None:
    form = field("category", "temp") + file(bytes(9000))[:-9]
    ended = [Half(), Half(form)]
    kept = Half()
    uploads = [post(client, RAW, ended[0]), post(client, "/api/v1/files", ended[1], **{"Content-Type": FORM_TYPE})]
    other = post(client, RAW, kept, by="bob")
    await asyncio.gather(*(body.begun.wait() for body in (*ended, kept)))

    await execute(database, ending)

    assert [refusal(await answered(upload)) for upload in uploads] == [(401, "token_rejected")] * 2
    kept.rest.set()
    assert (await other).status_code == 201
    assert len(await remains()) == 2


async def test_an_analysers_product_under_way_ends_with_its_token(
    client: Client, analyser: Analyser, source: str, database: str, remains: Remains
) -> None:
    await ask(client, source)
    await analyser.claim()
    before, body = await remains(), Half()
    fence = analyser.run["fence"]
    upload = post(client, f"{analyser.path}/products?fence={fence}&role=table&ordinal=0&filename=a.csv", body)
    await body.begun.wait()

    await execute(database, REVOKED)

    assert refusal(await answered(upload)) == (401, "token_rejected")
    assert await remains() == before


async def test_event_streams_end_with_their_token(app: FastAPI, client: Client, run: Attempt, database: str) -> None:
    async with streaming(app, client, run.job_id) as stream:
        await stream.read(2)
        await execute(database, REVOKED)
        events = await stream.read_all()

    assert len(events) == 2


class TestScarcity:
    """A service that lets an owner have two of each under way."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {f"SERVER_MAX_{what}_PER_OWNER": "2" for what in ("UPLOADS", "DOWNLOADS", "STREAMS")}

    async def test_one_upload_more_is_refused_until_one_has_ended_and_others_have_their_own(
        self, client: Client, remains: Remains
    ) -> None:
        bodies = [Half(), Half(), Half()]
        uploads = [post(client, RAW, body, by=by) for body, by in zip(bodies, ("alice", "alice", "bob"), strict=True)]
        await asyncio.gather(*(body.begun.wait() for body in bodies))

        refused = await client.request("POST", RAW, content=b"x")
        bodies[0].rest.set()
        await uploads[0]
        taken = await client.request("POST", RAW, content=b"x")
        for body in bodies:
            body.rest.set()
        statuses = [(await upload).status_code for upload in uploads]

        problem = problem_in(refused)
        assert refusal(refused) == (429, "too_many_at_once")
        assert (problem["limit"], int(refused.headers["retry-after"]) > 0) == (2, True)
        assert "2 uploads" in problem["detail"]
        assert (taken.status_code, statuses) == (201, [201] * 3)
        assert len(await remains()) == 8

    async def test_one_stream_more_is_refused_until_one_is_closed(
        self, app: FastAPI, client: Client, run: Attempt
    ) -> None:
        path = f"/api/v1/jobs/{run.job_id}/events"
        async with AsyncExitStack() as opened:
            await (await opened.enter_async_context(streaming(app, client, run.job_id))).read(2)
            async with streaming(app, client, run.job_id) as second:
                await second.read(2)
                refused = await client.request("GET", path)
            async with streaming(app, client, run.job_id) as again:
                assert len(await again.read(2)) == 2

        assert refusal(refused) == (429, "too_many_at_once")

    async def test_one_download_more_is_refused_and_those_under_way_break_off_with_their_token(
        self, app: FastAPI, client: Client, database: str
    ) -> None:
        path = f"/api/v1/files/{(await client.upload(LARGE))['id']}/content"
        head = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {client.tokens['alice']}\r\n\r\n"
        async with served(app) as port:
            held = [await begun(port, head.encode()) for _ in range(2)]
            refused = await client.request("GET", path)
            body = Half()
            upload = post(client, RAW, body)
            await body.begun.wait()
            await execute(database, REVOKED)
            witness = await answered(upload)  # all are ended by one look
            got = [await rest(connection) for connection in held]

        assert refused.status_code == 429
        assert refusal(witness) == (401, "token_rejected")
        assert all(0 < len(content) < len(LARGE) for content in got)


async def begun(port: int, head: bytes) -> socket.socket:
    """Return a connection with an answer that has begun, and does not fit into what lies between."""
    connection = sent(port, head)
    received = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 30), DEADLINE_SECONDS)
    assert b"200 OK" in received
    return connection


async def test_wrong_tokens_are_counted_and_refused_when_too_many_wait_while_good_ones_pass(client: Client) -> None:
    wrong = {"Authorization": "Bearer mas_wrong"}
    # More than a bucket that runs out while the machine stands still takes in.
    asked = [client.request("GET", "/api/v1/files", by=None, headers=wrong) for _ in range(300)]
    answers = asyncio.gather(*asked)
    good = await client.request("GET", "/api/v1/files")
    waiting = not answers.done()
    refused = [refusal(answer) for answer in await answers]
    counted = (await client.request("GET", "/metrics", by=None)).text

    assert (good.status_code, waiting) == (200, True)
    assert {(401, "token_rejected"), (429, "too_many_wrong_tokens")} == set(refused)
    assert "tokens_rejected_total 300.0" in counted
    assert refusal(await client.request("GET", "/api/v1/files", by=None)) == (401, "token_rejected")
