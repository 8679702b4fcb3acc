"""Azure's object storage for tests: Azurite, Microsoft's own emulator, of npm."""

import asyncio
import base64
import hmac
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.credentials import credentials
from media_analysis.storage.remote.store import RemoteStore
from tests.programs import install_from_npm

PACKAGE = "azurite@3.35.0"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What every emulator takes: it is in Azurite's manual, and opens nothing else."""
VERSION = "2021-08-06"
PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Azure:
    """An emulator that runs."""

    url: str
    """Of the account."""

    def options(self, scratch: Path) -> RemoteOptions:
        told = {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": self.url,
            "AZURE_ALLOW_HTTP": "true",
        }
        return RemoteOptions(
            credentials=credentials(told),
            request_seconds=20.0,
            transfer_seconds=20.0,
            retry_seconds=10.0,
            scratch=scratch,
        )

    async def new_container(self) -> RemoteAddress:
        """Make a container; it goes with the emulator."""
        name, now = f"test-{uuid4().hex[:20]}", formatdate(usegmt=True)
        headers = {"x-ms-date": now, "x-ms-version": VERSION}
        told = "".join(f"{header}:{value}\n" for header, value in headers.items())
        # Authorize with Shared Key: the verb, eleven headers that are not sent, ours, and what is asked for.
        signed = f"PUT{chr(10) * 12}{told}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), signed.encode(), "sha256")).decode()
        headers["authorization"] = f"SharedKey {ACCOUNT}:{signature}"
        async with httpx.AsyncClient() as http:
            made = await http.put(f"{self.url}/{name}?restype=container", headers=headers)
        assert made.status_code == 201, made.text
        return RemoteAddress.parse(f"az://{name}")


@asynccontextmanager
async def running_azure(factory: pytest.TempPathFactory) -> AsyncIterator[Azure]:
    """Run an emulator that keeps everything in memory."""
    folder = await install_from_npm(factory, "azurite", [PACKAGE])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *("node", str(folder / "node_modules/azurite/dist/src/blob/main.js"), "--inMemoryPersistence", "--silent"),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--disableTelemetry", "--skipApiVersionCheck"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await _answers(port):
            assert process.returncode is None
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        yield Azure(f"http://127.0.0.1:{port}/{ACCOUNT}")
    finally:
        process.kill()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def new_azure_store(azure: Azure, scratch: Path) -> AsyncIterator[RemoteStore]:
    """Open a store in a container of its own, with its marker."""
    store = RemoteStore.at(await azure.new_container(), uuid4(), azure.options(scratch))
    await store.adopt(fresh_database=True)
    try:
        yield store
    finally:
        store.close()
