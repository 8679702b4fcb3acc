"""A service of its own process, to be killed."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

READY_SECONDS = 60
_READY = re.compile(rb"ready at (http://127\.0\.0\.1:\d+)")


@dataclass
class Service:
    """A running `media-analysis serve`; `http` speaks as its administrator, None when it died before it was ready."""

    running: asyncio.subprocess.Process
    http: httpx.AsyncClient | None

    async def wait_for_death(self) -> int:
        """Return how it ended, once it has."""
        async with asyncio.timeout(READY_SECONDS):
            return await self.running.wait()


@asynccontextmanager
async def served(environment: Mapping[str, str], **variables: str) -> AsyncIterator[Service]:
    """Start the service, wait until it answers or dies, and kill it in the end."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "media_analysis", "serve", "--port", "0"),
        env={**os.environ, **environment, **variables, "MEDIA_ANALYSIS_TESTING": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    listening: asyncio.Task[bytes] | None = None
    try:
        address = await _wait_until_ready(running)
        assert running.stderr is not None
        listening = asyncio.create_task(running.stderr.read())  # or a full pipe would stop it
        if address is None:
            yield Service(running, None)
            return
        token = (Path(environment["MEDIA_ANALYSIS_DATA_DIR"]) / "admin-token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=f"{address}/api/v1", headers=headers, timeout=READY_SECONDS) as http:
            yield Service(running, http)
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGKILL)
        await running.wait()
        if listening is not None:
            await listening


async def _wait_until_ready(running: asyncio.subprocess.Process) -> str | None:
    assert running.stderr is not None
    said: list[bytes] = []
    async with asyncio.timeout(READY_SECONDS):
        async for line in running.stderr:
            said.append(line)
            found = _READY.search(line)
            if found:
                return found.group(1).decode()
        code = await running.wait()
    assert code == -signal.SIGKILL, b"".join(said).decode()
    return None
