"""Connections as bytes: every body reaches the application whole, and whoever says nothing is not waited for."""

import asyncio
import json
import re
import resource
import shutil
import subprocess
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from media_analysis.api.connections import ConnectionLimits
from media_analysis.app import OWN_DESCRIPTORS, within_open_files
from tests.api.raw import BODIES, CONTENT, HEAD, LAST, OFFERS, PATIENCE, plain_app, refusal, rest, sent, served, spoken
from tests.conftest import Client


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[int]:
    async with served(plain_app(), ConnectionLimits(head_seconds=0.2, idle_seconds=0.2, unread_seconds=0.2)) as port:
        yield port


@pytest.mark.parametrize("body", BODIES, ids=["length", "chunks", "none"])
async def test_a_body_comes_whole_whatever_else_its_head_offers(patient: int, body: bytes) -> None:
    length = len(CONTENT) if CONTENT in body else 0

    answers = [await spoken(patient, HEAD + offer + body + LAST) for offer in OFFERS]

    assert answers[0].count(b"HTTP/1.1 200 OK") == 2
    assert b'["/content", %d, %s, ["a"]]' % (length, b"true" if length else b"false") in answers[0]
    assert b'["/last", 0, false, ["a"]]' in answers[0]
    assert answers == [answers[0]] * len(OFFERS)


@pytest.mark.parametrize("offer", OFFERS[:2], ids=["no offer", "h2c"])
async def test_a_body_comes_whole_in_pieces_and_after_a_question(patient: int, offer: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", patient)

    for number in HEAD + offer + b"Expect: 100-continue\r\n":
        writer.write(bytes([number]))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"Content-Length: %d\r\n\r\n" % len(CONTENT))
    go_on = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    for start in range(0, len(CONTENT), 100):
        writer.write(CONTENT[start : start + 100])
        await writer.drain()
    writer.write(LAST)
    answers = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()

    assert go_on == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b'["/content", %d, true, ["a"]]' % len(CONTENT) in answers
    assert b'["/last", 0, false, ["a"]]' in answers


async def test_many_offers_in_one_write_are_answered_in_their_order(patient: int) -> None:
    requests = [HEAD.replace(b"content", b"%d" % n) + OFFERS[n % 4] + BODIES[n % 3] for n in range(12)]

    answers = await spoken(patient, b"".join(requests) + LAST)

    told = [json.loads(line) for line in re.findall(rb"\[[^]]+\]\]", answers)]
    assert told == [[f"/{n}", 0 if n % 3 == 2 else len(CONTENT), n % 3 != 2, ["a"]] for n in range(12)] + [
        ["/last", 0, False, ["a"]]
    ]


async def test_trailers_have_room_and_no_more(patient: int) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"

    answers = [await spoken(patient, chunked + trailers * 2**19) for trailers in (b"X", b"X: y\r\n")]

    assert [refusal(answer)[0] for answer in answers] == [431, 431]


@pytest.mark.parametrize("beginning", [b"", b"\r\n", b"GET", HEAD, HEAD + b"X: "], ids=repr)
async def test_a_head_that_does_not_end_is_given_up(impatient: int, beginning: bytes) -> None:
    alone = await spoken(impatient, beginning)
    after_another = await spoken(impatient, HEAD + BODIES[0] + beginning)

    assert alone == b"" if not beginning else refusal(alone) == (408, "request_head_too_slow")
    assert after_another.count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize("trickle", [b"\r\n", b"x"], ids=["empty lines", "a name"])
async def test_a_head_that_trickles_is_given_up(impatient: int, trickle: bytes) -> None:
    connection = sent(impatient, HEAD + BODIES[0] + (b"" if trickle == b"\r\n" else HEAD))
    ending = asyncio.create_task(rest(connection))

    while not ending.done():
        await asyncio.wait({ending}, timeout=0.02)
        try:
            connection.send(trickle)
        except OSError:
            break
    answers = await asyncio.wait_for(ending, PATIENCE)

    assert answers.count(b"HTTP/1.1 200 OK") == 1


async def test_what_is_left_of_a_body_after_its_answer_is_not_read_for_ever(impatient: int) -> None:
    connection = sent(impatient, b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
    ending = asyncio.create_task(rest(connection))

    while not ending.done():
        await asyncio.wait({ending}, timeout=0.02)
        try:
            connection.send(b"x")
        except OSError:
            break

    assert b"200 OK" in await asyncio.wait_for(ending, PATIENCE)


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    app = plain_app()
    app.state.left = asyncio.Event()
    async with served(app, ConnectionLimits(write_seconds=0.2)) as port:
        with sent(port, b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"):
            assert await asyncio.wait_for(app.state.left.wait(), PATIENCE)


@pytest.mark.parametrize("offer", OFFERS[:2], ids=["no offer", "h2c"])
async def test_a_body_that_is_no_chunks_ends_in_a_problem(patient: int, offer: bytes) -> None:
    answer = await spoken(patient, HEAD + offer + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")

    assert refusal(answer) == (400, "malformed_request")


async def test_a_request_is_answered_before_what_follows_it_is_refused(patient: int) -> None:
    answer = await spoken(patient, HEAD + BODIES[0] + b"nonsense\r\n\r\n" + LAST)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b'["/content", %d, true, ["a"]]' % len(CONTENT))


async def test_the_newest_connection_past_the_cap_is_refused_in_words_and_counted() -> None:
    app = plain_app()
    async with served(app, ConnectionLimits(connections=2)) as port:
        held = [sent(port, b"GET") for _ in range(2)]
        refused = await spoken(port, LAST)
        for connection in held:
            connection.close()
        async with asyncio.timeout(PATIENCE):
            while not (answer := await spoken(port, LAST)).startswith(b"HTTP/1.1 200"):
                pass

    assert refusal(refused) == (503, "too_many_connections")
    assert b"\r\nretry-after: 5\r\n" in refused
    assert answer.endswith(b'["/last", 0, false, ["a"]]')
    assert b'route="unread",status="503"' in app.state.services.metrics.render()


async def test_heads_that_are_not_whole_share_a_budget_that_small_ones_and_whole_ones_do_not_need() -> None:
    limits = ConnectionLimits(open_heads_bytes=20_000, small_head_bytes=1_000)
    large = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + b"x" * 9_000
    async with served(plain_app(), limits) as port:
        held = [sent(port, large), sent(port, LAST.replace(b"Connection: close\r\n", b"") + large)]
        refused = await spoken(port, large)
        whole = await spoken(port, large + b"\r\n\r\n")
        small = await spoken_in_two(port, LAST)
        for connection in held:
            connection.send(b"\r\n\r\n")
        finished = [await rest(connection) for connection in held]
        again = await spoken_in_two(port, large + b"\r\n\r\n")

    assert refusal(refused) == (503, "too_many_heads")
    assert b"\r\nretry-after: 5\r\n" in refused
    assert [answer.count(b"HTTP/1.1 200") for answer in (whole, small, again, *finished)] == [1, 1, 1, 1, 2]


async def spoken_in_two(port: int, content: bytes) -> bytes:
    """Return what the server says to a head of which it saw most before it saw the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(content[:-2])
    await writer.drain()
    for _ in range(20):
        await asyncio.sleep(0)
    writer.write(content[-2:])
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return answer


def test_the_process_may_open_as_many_files_as_its_machine_lets_it() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        limits = within_open_files(ConnectionLimits(connections=10**9))
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert raised == (hard, hard)
    assert limits.connections == hard - OWN_DESCRIPTORS


@pytest.fixture
def curl() -> str:
    found = shutil.which("curl")
    if found is None or b"HTTP2" not in subprocess.run([found, "--version"], capture_output=True, check=True).stdout:
        pytest.skip("curl with HTTP/2 is not installed")
    return found


@pytest.mark.parametrize("arguments", [(), ("-H", "Transfer-Encoding: chunked")], ids=["length", "chunked"])
async def test_curl_that_offers_http_2_uploads_every_byte(
    client: Client, app: FastAPI, curl: str, arguments: tuple[str, ...]
) -> None:
    offer = (curl, "--http2", "-sS", "-m", "30", "-H", f"Authorization: Bearer {client.tokens['alice']}", *arguments)

    async with served(app) as port:
        url = f"http://127.0.0.1:{port}/api/v1/files?category=temp&filename=a"
        uploading = await asyncio.create_subprocess_exec(
            *offer, "--data-binary", "@-", url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await uploading.communicate(CONTENT * 100)
    uploaded = json.loads(printed)
    kept = await client.request("GET", f"/api/v1/files/{uploaded['id']}/content")

    assert uploaded["size_bytes"] == len(CONTENT) * 100
    assert kept.content == CONTENT * 100
