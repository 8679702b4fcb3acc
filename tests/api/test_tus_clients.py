"""Programs that speak tus as they are: every byte is there; and a server of others, whose answers are like ours."""

import asyncio
import hashlib
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, Route

from tests.api.raw import PATIENCE, served
from tests.api.tus import PIECE, metadata
from tests.browser import PATIENCE_MILLISECONDS
from tests.conftest import Client, fetch

CONTENT = random.Random(18).randbytes(4_000_000)
HERE = Path(__file__).parent / "clients"
PACKAGES = ("tus-js-client@4", "uppy@6", "@tus/server@2", "@tus/file-store@2")
SERVER = """
import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'
const day = 86400000, datastore = new FileStore({ directory: process.argv[2], expirationPeriodInMilliseconds: day })
const server = new Server({ path: '/files', datastore })
const listening = server.listen({ host: '127.0.0.1', port: 0 }, () => console.log(listening.address().port))
"""
VERSION = {"Tus-Resumable": "1.0.0"}
DIFFERENT = {
    "options": (204, 204),  # ours tell the largest size and the checksums, too
    **dict.fromkeys(("asked", "asked between", "asked of a deferred one"), (200, 200)),  # ours tell the end, too
    "wrong type": (415, 400),  # the specification says 415
    "another version": (412, 400),  # the specification says 412
}
"""Our status, and theirs."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds what is installed from npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text("{}")
    (folder / "server.mjs").write_text(SERVER)
    quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--loglevel", "error")
    installed = subprocess.run([npm, "install", *quiet, *PACKAGES], cwd=folder, capture_output=True, check=False)
    if installed.returncode:
        pytest.skip(f"npm cannot install: {installed.stderr.decode()[:200]}")
    return folder


@pytest.fixture
async def address(app: FastAPI, client: Client) -> AsyncIterator[str]:
    async with served(app) as port:
        yield f"http://127.0.0.1:{port}/api/v1/uploads"


async def upload(folder: Path, *command: str) -> list[str]:
    """Return the ways in which a program uploaded the file."""
    running = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complained = await asyncio.wait_for(running.communicate(), 4 * PATIENCE)
    assert running.returncode == 0, complained.decode()
    return [line.split()[0] for line in printed.decode().splitlines()]


async def require_whole(database: str, ways: int) -> None:
    rows = await fetch(database, "SELECT filename, size_bytes, sha256 FROM media_files WHERE state = 'stored'")
    assert {(row["filename"], row["size_bytes"]) for row in rows} == {("a.bin", len(CONTENT))}
    assert {row["sha256"] for row in rows} == {hashlib.sha256(CONTENT).digest()}
    assert len(rows) == ways


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    return path


async def test_tus_js_client_uploads_every_byte_in_every_way(
    packages: Path, address: str, client: Client, database: str, file: Path
) -> None:
    script = packages / "upload.mjs"
    script.write_text((HERE / "tus.mjs").read_text())

    ways = await upload(packages, "node", str(script), address, client.tokens["alice"], str(file))

    assert ways == ["plain", "chunked", "deferred", "created", "overridden", "parallel", "resumed"]
    await require_whole(database, len(ways))


async def test_tuspy_uploads_every_byte_in_every_way(address: str, client: Client, database: str, file: Path) -> None:
    ways = await upload(
        file.parent, sys.executable, str(HERE / "tus.py"), f"{address}/", client.tokens["alice"], str(file)
    )

    assert ways == ["plain", "chunked", "checked", "resumed"]
    await require_whole(database, len(ways))


@pytest.fixture
async def page(packages: Path, address: str, browser: Browser) -> AsyncIterator[Page]:
    """A page of the service's own origin, in a browser, that has Uppy."""
    files = {"/": HERE / "uppy.html", "/uppy.min.mjs": packages / "node_modules/uppy/dist/uppy.min.mjs"}
    opened = await browser.new_page()
    opened.set_default_timeout(PATIENCE_MILLISECONDS)

    async def answer(route: Route) -> None:
        await route.fulfill(path=files[httpx.URL(route.request.url).path])

    for path in files:
        await opened.route(str(httpx.URL(address).join(path)), answer)
    await opened.goto(str(httpx.URL(address).join("/")))
    yield opened
    await opened.close()


async def test_uppy_in_a_browser_uploads_every_byte_and_goes_on_after_its_page_was_left(
    page: Page, address: str, client: Client, database: str, file: Path
) -> None:
    piece = len(CONTENT) // 3
    began: list[str] = []
    page.on("request", lambda request: began.append(request.headers.get("upload-offset", request.method)))

    async def send(**asked: object) -> None:
        await page.set_input_files("input", file)
        await page.evaluate("upload", {"headers": {"Authorization": f"Bearer {client.tokens['alice']}"}, **asked})

    for way in ({}, {"chunkSize": piece}, {"parallelUploads": 3}):
        await send(**way)
        await page.evaluate("localStorage.clear()")  # else it takes the next for the one that it has sent
    await send(chunkSize=piece, pieces=1)
    await page.reload()
    began.clear()
    await send(chunkSize=piece)

    assert began[:2] == ["HEAD", str(piece)], "what had arrived is not sent again"
    await require_whole(database, 4)


@pytest.fixture
def peer(packages: Path, tmp_path: Path) -> Iterator[str]:
    """The address of @tus/server."""
    command = ["node", str(packages / "server.mjs"), str(tmp_path)]
    with subprocess.Popen(command, cwd=packages, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield f"http://127.0.0.1:{int(running.stdout.readline())}/files"
        finally:
            running.kill()


def told(answer: httpx.Response) -> dict[str, str]:
    """Return what an answer says in the words of the protocol; when an upload ends is each server's own."""
    own = {"tus-extension", "tus-max-size", "tus-checksum-algorithm", "upload-expires"}
    return {name: value for name, value in answer.headers.items() if name.startswith(("tus-", "upload-"))} | {
        name: "…" for name in own if name in answer.headers
    }


async def exchange(address: str, token: str | None) -> dict[str, tuple[int, dict[str, str]]]:
    """Send one request after another to a server; return the status of each, and what it says."""
    said: dict[str, tuple[int, dict[str, str]]] = {}
    own = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=PATIENCE) as http:

        async def send(name: str, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
            sent = VERSION | own | {key.replace("_", "-"): value for key, value in headers.items()}
            answer = await http.request(method, httpx.URL(address).join(path), headers=sent, content=content)
            said[name] = (answer.status_code, told(answer))
            return answer

        async def create(name: str, **headers: str) -> str:
            return str((await send(name, "POST", address, b"", **headers)).headers.get("location", address))

        piece = {"Content_Type": PIECE}
        await send("options", "OPTIONS", address)
        await create("created without a length")
        await create("created with a length that is none", Upload_Length="ten")
        await create("created with both", Upload_Length="1", Upload_Defer_Length="1")
        path = await create("created", Upload_Length="6", Upload_Metadata=metadata(filename="a.bin"))
        await send("asked", "HEAD", path)
        await send("wrong type", "PATCH", path, b"abc", Upload_Offset="0", Content_Type="text/plain")
        await send("wrong offset", "PATCH", path, b"abc", Upload_Offset="1", **piece)
        await send("first piece", "PATCH", path, b"abc", Upload_Offset="0", **piece)
        await send("repeated piece", "PATCH", path, b"abc", Upload_Offset="0", **piece)
        await send("asked between", "HEAD", path)
        await send("last piece", "PATCH", path, b"def", Upload_Offset="3", **piece)
        await send("asked at the end", "HEAD", path)
        deferred = await create("deferred", Upload_Defer_Length="1")
        await send("asked of a deferred one", "HEAD", deferred)
        await send("deferred piece", "PATCH", deferred, b"abc", Upload_Offset="0", **piece)
        await send("length said later", "PATCH", deferred, b"def", Upload_Offset="3", Upload_Length="6", **piece)
        await send("created with data", "POST", address, b"abc", Upload_Length="3", Content_Type=PIECE)
        ended = await create("created to be ended", Upload_Length="6")
        await send("ended", "DELETE", ended)
        await send("asked of an ended one", "HEAD", ended)
        await send("piece of an ended one", "PATCH", ended, b"abc", Upload_Offset="0", **piece)
        await send("asked of an unknown one", "HEAD", f"{httpx.URL(address).path}/00000000-0000-7000-8000-000000000000")
        await send("another version", "POST", address, Upload_Length="1", Tus_Resumable="0.2.2")
    return said


async def test_answers_are_those_of_another_server_of_the_protocol(peer: str, address: str, client: Client) -> None:
    ours, theirs = await exchange(address, client.tokens["alice"]), await exchange(peer, None)

    differing = {name: (ours[name][0], theirs[name][0]) for name in ours if ours[name] != theirs[name]}
    assert differing == DIFFERENT
    assert ours["options"][1].keys() > theirs["options"][1].keys()
