"""Event streams read as a client reads them, chunk by chunk, from an application in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from starlette.types import Message

from media_analysis.runtime import Runtime
from tests.conftest import Client

DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Told:
    """One event as a client parses it."""

    id: Any
    event: str
    data: dict[str, Any]


@dataclass
class Stream:
    """An answer that may never end, read as its chunks come; it takes no more while `taking` is not set."""

    chunks: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    taking: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.taking.wait()
        self.text += message.get("body", b"").decode()
        self.chunks.put_nowait(b"")
        if not message.get("more_body"):
            self.ended.set()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def read(self, count: int) -> list[Told]:
        """Read until so many events came."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.events()) < count:
                await self.chunks.get()
        return self.events()

    async def read_all(self) -> list[Told]:
        """Read to the end of the stream."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.ended.wait()
        return self.events()

    def events(self) -> list[Told]:
        found = []
        for block in self.text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if "data" in fields:
                number = fields["id"]
                place = int(number) if number.isdecimal() else number
                found.append(Told(place, fields["event"], json.loads(fields["data"])))
        return found


async def holds_no_connection(runtime: Runtime) -> bool:
    """Say whether nobody has a connection of the pool."""
    pool: Any = runtime.db.engine.pool
    return bool(pool.checkedout() == 0)


@asynccontextmanager
async def streaming(
    app: FastAPI, client: Client, job_id: UUID, *, after: int | None = None, query: str = "", takes: bool = True
) -> AsyncIterator[Stream]:
    """Ask for a job's events as alice would; leaving the block hangs up."""
    path = f"/api/v1/jobs/{job_id}/events"
    async with streaming_from(app, client, path, after=after, query=query, takes=takes) as stream:
        yield stream


@asynccontextmanager
async def streaming_from(
    app: FastAPI,
    client: Client,
    path: str,
    *,
    by: str = "alice",
    after: int | str | None = None,
    query: str = "",
    takes: bool = True,
) -> AsyncIterator[Stream]:
    """Ask for a stream; leaving the block hangs up."""
    stream = Stream()
    if takes:
        stream.taking.set()
    headers = [(b"authorization", f"Bearer {client.tokens[by]}".encode())]
    if after is not None:
        headers.append((b"last-event-id", str(after).encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": b"",
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
    }
    answering = asyncio.create_task(app(scope, stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.left.set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            await answering
