"""Downloads as the kernel sends them: every byte in its place, to whoever takes its time, and to nobody who left."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from media_analysis.api.connections import ConnectionLimits
from media_analysis.storage.reading import FileRegion
from tests.api.raw import PATIENCE, plain_app, served

FIRST = 1000
CONTENT = os.urandom(2**20) * 20


class Downloads:
    """Answers with a file whose first bytes are read; `/short` tells of more bytes than the file has."""

    def __init__(self, path: Path, threads: ThreadPoolExecutor) -> None:
        self.path, self.threads = path, threads
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        length = len(CONTENT) + (scope["path"] == "/short")
        headers = [(b"content-length", b"%d" % length)]
        with self.path.open("rb") as file:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": file.read(FIRST), "more_body": True})
            for start in range(FIRST, length, 2**22):
                region = FileRegion(file.fileno(), start, min(length, start + 2**22), self.threads)
                await send({"type": "http.response.body", "body": region, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.ended.set()


@pytest.fixture
async def downloads(tmp_path: Path) -> AsyncIterator[Downloads]:
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with ThreadPoolExecutor(1) as threads:
        yield Downloads(path, threads)


def app_of(downloads: Downloads) -> FastAPI:
    app = plain_app()
    for path in ("/whole", "/short"):
        app.router.routes.insert(0, Route(path, downloads, methods=None))
    return app


async def ask(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return reader, writer


async def taken(reader: asyncio.StreamReader, length: int) -> bytes:
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    return await asyncio.wait_for(reader.readexactly(length), PATIENCE)


async def test_all_bytes_come_and_the_connection_goes_on(downloads: Downloads) -> None:
    async with served(app_of(downloads)) as port:
        reader, writer = await ask(port, "/whole")
        first = await taken(reader, len(CONTENT))
        writer.write(b"GET /whole HTTP/1.1\r\nHost: a\r\n\r\n")
        second = await taken(reader, len(CONTENT))
        writer.close()

    assert first == CONTENT
    assert second == CONTENT


async def test_whoever_takes_a_little_at_a_time_is_waited_for(downloads: Downloads) -> None:
    limits = ConnectionLimits(write_seconds=2)
    async with served(app_of(downloads), limits) as port:
        reader, writer = await ask(port, "/whole")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        content = b""
        while len(content) < len(CONTENT):
            content += await asyncio.wait_for(reader.read(2**18), PATIENCE)
            await asyncio.sleep(0.03)  # in all, longer than nothing may be taken
        writer.close()

    assert content == CONTENT


async def test_whoever_takes_nothing_is_left_after_a_while(downloads: Downloads) -> None:
    async with served(app_of(downloads), ConnectionLimits(write_seconds=0.2)) as port:
        reader, writer = await ask(port, "/whole")
        await asyncio.wait_for(downloads.ended.wait(), PATIENCE)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await taken(reader, len(CONTENT))
        writer.close()


async def test_nothing_is_left_open_for_a_client_that_left(downloads: Downloads) -> None:
    async with served(app_of(downloads)) as port:
        before = descriptors()
        _, writer = await ask(port, "/whole")
        await asyncio.sleep(0.05)
        writer.transport.abort()
        await asyncio.wait_for(downloads.ended.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while descriptors() > before:  # noqa: ASYNC110 - descriptors set no Event
                await asyncio.sleep(0.01)


async def test_a_file_that_ends_before_its_time_breaks_the_answer_off(downloads: Downloads) -> None:
    async with served(app_of(downloads)) as port:
        reader, writer = await ask(port, "/short")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await taken(reader, len(CONTENT) + 1)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
