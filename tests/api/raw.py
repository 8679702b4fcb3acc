"""Requests as bytes: an application that tells what came, behind the product's own server, and how to talk to it."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from media_analysis.api.connections import DEFAULT_LIMITS, ConnectionLimits
from media_analysis.app import bind, serve
from media_analysis.telemetry.metrics import Metrics

PATIENCE = 60
CONTENT = bytes(range(256)) * 20
HEAD = b"POST /content HTTP/1.1\r\nHost: a\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OFFERS = (
    b"",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    b"Upgrade: any/1, thing\r\nConnection: upgrade\r\n",
    b"Upgrade: h2c\r\n",
)
BODIES = (
    b"Content-Length: %d\r\n\r\n%s" % (len(CONTENT), CONTENT),
    b"Transfer-Encoding: chunked\r\n\r\n%x;x=1\r\n%s\r\n0\r\nHost: trailer\r\n\r\n" % (len(CONTENT), CONTENT),
    b"\r\n",
)


async def answer_what_came(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell of the body and the hosts; `/unread` does so before the body is read, `/endless` never ends."""
    body, more = b"", scope["path"] != "/unread"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    hosts = [value.decode() for name, value in scope["headers"] if name == b"host"]
    content = json.dumps([scope["path"], len(body), body == CONTENT, hosts]).encode()
    headers = [] if scope["path"] == "/endless" else [(b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/endless":
        leaving = asyncio.ensure_future(receive())
        while not leaving.done():
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
            await asyncio.sleep(0)
        scope["app"].state.left.set()
    else:
        await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def served(app: FastAPI, limits: ConnectionLimits = DEFAULT_LIMITS) -> AsyncIterator[int]:
    """Yield the port where the product's own server answers."""
    started = asyncio.Event()
    with bind("127.0.0.1", 0) as listening:
        serving = asyncio.create_task(serve(app, listening, started.set, limits=limits))
        await asyncio.wait_for(started.wait(), PATIENCE)
        try:
            yield listening.getsockname()[1]
        finally:
            app.state.drain()
            await asyncio.wait_for(serving, PATIENCE)


def plain_app() -> FastAPI:
    app = FastAPI()
    app.state.draining = False
    app.state.services = SimpleNamespace(
        metrics=Metrics(),
        jobs=SimpleNamespace(watches=SimpleNamespace(end=lambda: None)),
        feed=SimpleNamespace(end=lambda: None),
    )
    app.mount("/", answer_what_came)
    return app


def sent(port: int, content: bytes) -> socket.socket:
    """Return a connection with `content` in it before the server, which shares this loop, could look at it."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(content)
    connection.setblocking(False)
    return connection


async def rest(connection: socket.socket, *, until: bytes = b"") -> bytes:
    """Return all that comes until the server closes the connection, or something has come."""
    received = b""
    with connection:
        try:
            while not (until and until in received) and (
                part := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(connection, 2**20), PATIENCE)
            ):
                received += part
        except ConnectionResetError:
            pass
    return received


async def spoken(port: int, content: bytes) -> bytes:
    """Return everything the server says to `content`, without its dates."""
    return re.sub(rb"date: [^\r]+\r\n", b"", await rest(sent(port, content)))


@dataclass(frozen=True)
class Speaker:
    """Says requests of somebody to a server, a connection each, and reads what comes back."""

    port: int
    token: str | None

    async def say(
        self, method: str, path: str, *lines: str, body: bytes = b"", by: str | None = "", until: bytes = b""
    ) -> "Said":
        """Return the answer to a request with these header lines, or its beginning `until` something has come.

        The length of a body is told unless they do.
        """
        token = self.token if by == "" else by
        head = [f"{method} {path} HTTP/1.1", "Host: a", *lines]
        head += [] if token is None else [f"Authorization: Bearer {token}"]
        head += ["Connection: close"]
        told = any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines)
        head += [f"Content-Length: {len(body)}"] if body and not told else []
        answer = await rest(sent(self.port, "\r\n".join([*head, "", ""]).encode("latin-1") + body), until=until)
        return Said.read(answer)


@dataclass(frozen=True)
class Said:
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, answer: bytes) -> Self:
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return cls(int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body)

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def refusal(self) -> tuple[int, str]:
        """The status, and what is said to be wrong with which part."""
        return self.status, self.problem["detail"]


def refusal(answer: bytes) -> tuple[int, str]:
    """Return the status and the code of one whole answer, after making sure that it is a proper problem."""
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert int(headers["content-length"]) == len(body)
    assert problem["type"] == f"urn:media-analysis:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    assert answer.startswith(b"HTTP/1.1 %d " % problem["status"])
    return problem["status"], problem["code"]
