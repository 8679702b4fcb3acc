"""A service of its own process, to be killed."""

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from media_analysis.runtime import Runtime
from tests.processes import DEVNULL, PLAIN, Process, start
from tests.reused import APPLICATIONS

READY_SECONDS = 60
_READY = re.compile(rb"ready at (http://127\.0\.0\.1:\d+)")


@dataclass
class Service:
    """A running `media-analysis serve`; `http` speaks as its administrator, None when it died before it was ready."""

    running: Process
    http: httpx.AsyncClient | None

    async def wait_for_death(self) -> int:
        """Return how it ended, once it has."""
        async with asyncio.timeout(READY_SECONDS):
            return await self.running.ended()


@asynccontextmanager
async def served(environment: Mapping[str, str], *, port: str = "0", **variables: str) -> AsyncIterator[Service]:
    """Start the service, wait until it answers or dies, and kill it in the end; port 0 is any that is free."""
    about = {**os.environ, **environment, **variables, "MEDIA_ANALYSIS_TESTING": "1"}
    with (
        tempfile.TemporaryFile() as errors,
        start("serve", "--port", port, environment=about, stdout=DEVNULL, stderr=errors) as running,
    ):
        try:
            address = await _wait_until_ready(running, errors)
            if address is None:
                yield Service(running, None)
                return
            token = (Path(environment["MEDIA_ANALYSIS_DATA_DIR"]) / "admin-token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}"}
            api = f"{address}/api/v1"
            async with httpx.AsyncClient(base_url=api, headers=headers, timeout=READY_SECONDS, verify=PLAIN) as http:
                yield Service(running, http)
        finally:
            running.kill()


@asynccontextmanager
async def returned(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """Speak as its administrator to a service that was killed and is back in this process, which starts in no time.

    It does what it is asked: for services that are told to do nothing else, neither sweep nor work nor archive.
    """
    token = (runtime.settings.data_dir / "admin-token").read_text().strip()
    transport = httpx.ASGITransport(APPLICATIONS.over(runtime))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1", headers=headers) as http:
        yield http


async def _wait_until_ready(running: Process, errors: IO[bytes]) -> str | None:
    async with asyncio.timeout(READY_SECONDS):
        while (code := running.poll()) is None:
            if found := _READY.search(_read(errors)):
                return found[1].decode()
            await asyncio.sleep(0.01)
    assert code == -signal.SIGKILL, _read(errors).decode()
    return None


def _read(file: IO[bytes]) -> bytes:
    """Read all of a file without moving where others write to it."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
