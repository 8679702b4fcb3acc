"""Clients that leave at any moment: nothing of it is an error of the service."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.runtime import Runtime
from tests.api.conftest import Remains
from tests.api.forms import BOUNDARY, FORM_TYPE, field, file
from tests.api.raw import PATIENCE, sent, served
from tests.conftest import Client
from tests.files.conftest import eventually

HEAD = "{method} /api/v1/{path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
FORM_HEAD = f"Content-Type: {FORM_TYPE}\r\nContent-Length: 100000\r\n"
JSON_HEAD = "Content-Type: application/json\r\nContent-Length: 100\r\n"
JSON_CHUNKS = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
BROKEN = {
    "a document": ("POST", "jobs", JSON_HEAD, b'{"name": "n", '),
    "a document in chunks": ("POST", "jobs", JSON_CHUNKS, b"5\r\n{    \r\n"),
    "a document that did not begin": ("PATCH", "files/7", JSON_HEAD, b""),
    "an upload": ("POST", "files?category=temp&filename=a", "Content-Length: 90000\r\n", bytes(50_000)),
    "an upload that did not begin": ("POST", "files?category=temp&filename=a", "Content-Length: 9\r\n", b""),
    "an upload in chunks": ("POST", "files?category=temp&filename=a", "Transfer-Encoding: chunked\r\n", b"4\r\nabcd"),
    "a form": ("POST", "files", FORM_HEAD, field("category", "temp") + file(bytes(50_000))),
    "a form in its fields": ("POST", "files", FORM_HEAD, f"--{BOUNDARY}\r\nContent-".encode()),
}


@pytest.fixture
async def port(app: FastAPI) -> AsyncIterator[int]:
    async with served(app) as opened:
        yield opened


def hang_up(connection: socket.socket) -> None:
    """Close a connection as a client does that crashed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def asked(client: Client, port: int, method: str, path: str, more: str = "", body: bytes = b"") -> socket.socket:
    head = HEAD.format(method=method, path=path, token=client.tokens["alice"], more=more)
    return sent(port, head.encode() + body)


def ended(logs: list[structlog.typing.EventDict]) -> list[int]:
    return [line["status"] for line in logs if line["event"] == "request.ended"]


async def noted(logs: list[structlog.typing.EventDict], count: int) -> None:
    """Wait until so many requests have ended."""

    async def have_ended() -> bool:
        return len(ended(logs)) == count

    await eventually(have_ended)


async def hear(connection: socket.socket, what: bytes) -> None:
    """Wait until the server has said it."""
    heard = b""
    while what not in heard:
        part = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 4096), PATIENCE)
        assert part, heard
        heard += part


@pytest.mark.parametrize("rudely", [True, False], ids=["reset", "closed"])
async def test_a_client_that_leaves_while_it_sends_is_noted_as_gone(
    client: Client, runtime: Runtime, port: int, remains: Remains, *, rudely: bool
) -> None:
    with capture_logs() as logs:
        for method, path, more, body in BROKEN.values():
            connection = asked(client, port, method, path, "Expect: 100-continue\r\n" + more, body)
            await hear(connection, b"100 Continue")
            hang_up(connection) if rudely else connection.close()

        await noted(logs, len(BROKEN))

    assert ended(logs) == [499] * len(BROKEN)
    assert {line["log_level"] for line in logs} == {"info"}
    assert 'status="500"' not in runtime.metrics.render().decode()
    assert await remains() == []


async def test_a_client_that_leaves_a_download_is_noted_as_gone_and_not_read_for(client: Client, port: int) -> None:
    stored = await client.upload(bytes(64 * 2**20))

    with capture_logs() as logs:
        connection = asked(client, port, "GET", f"files/{stored['id']}/content")
        await hear(connection, b"200 OK")
        hang_up(connection)

        await noted(logs, 1)

    assert [(line["event"], line["status"], line["log_level"]) for line in logs] == [("request.ended", 499, "info")]


async def test_a_client_that_leaves_an_event_stream_is_noted_as_gone(client: Client, port: int, run: Attempt) -> None:
    with capture_logs() as logs:
        connection = asked(client, port, "GET", f"jobs/{run.job_id}/events")
        await hear(connection, b"event: status")
        hang_up(connection)

        await noted(logs, 1)

    assert [(line["event"], line["status"], line["log_level"]) for line in logs] == [("request.ended", 499, "info")]


async def test_a_client_that_reads_all_of_its_answers_is_not_noted_as_gone(
    client: Client, runtime: Runtime, port: int, run: Attempt
) -> None:
    stored = await client.upload(bytes(2**20))

    with capture_logs() as logs:
        connection = asked(client, port, "GET", f"jobs/{run.job_id}/events")
        await hear(connection, b"event: status")
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
        await hear(connection, b"\r\n0\r\n\r\n")
        connection.close()
        connection = asked(client, port, "GET", f"files/{stored['id']}/content", "Connection: close\r\n")
        length = 0
        while part := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 2**20), PATIENCE):
            length += len(part)
        connection.close()
        await noted(logs, 2)

    assert length > 2**20
    assert ended(logs) == [200, 200]
