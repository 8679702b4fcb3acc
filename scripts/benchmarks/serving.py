"""The service in a process of its own, as whoever measures it over HTTP needs it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from media_analysis.sessions.models import Role
from scripts.benchmarks.analyze import descendants_of
from scripts.benchmarks.load import request
from scripts.benchmarks.stage import Stage


@dataclass(frozen=True)
class Service:
    """A running service, and the token of a user."""

    url: str
    pid: int
    token: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def processor_seconds(self) -> float:
        """What the service and its processes have used so far, PostgreSQL not among them."""
        ticks = 0
        for pid in {str(self.pid)} | descendants_of(str(self.pid)):
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def request(self, method: str, target: str, *lines: str, body: bytes = b"", path: str = "/api/v1") -> bytes:
        """Return a request of the user below `path`."""
        return request(method, path + target, f"Authorization: Bearer {self.token}", *lines, body=body)

    async def store(self, content: bytes) -> str:
        """Store a file and return its id."""
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.token}"}, timeout=60) as client:
            answer = await client.post(f"{self.url}/api/v1/files?category=temp&filename=a", content=content)
        return str(answer.raise_for_status().json()["id"])


@asynccontextmanager
async def serving(stage: Stage, owner: str, *, processes: int = 1, **variables: str) -> AsyncIterator[Service]:
    """Run the service over a stage, without a worker unless told so, and with the token of an owner."""
    directory = stage.runtime.settings.data_dir
    command = (sys.executable, "-m", "media_analysis", "serve", "--port", "0", "--data-dir", str(directory))
    environment = os.environ | {
        "DATABASE_URL": stage.url, "WORKER_ENABLED": "false", "SERVER_PROCESSES": str(processes),
        "STORAGE_QUOTA_TEMP": "1TiB", "STORAGE_QUOTA_UPLOADS": "1TiB", **variables,
    }  # fmt: skip
    (directory / "address").unlink(missing_ok=True)  # that of another one over the same stage
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        url = await _ready(directory / "address")
        yield Service(url, process.pid, await new_token(stage, owner))
    finally:
        process.terminate()
        await process.wait()


async def new_token(stage: Stage, owner: str) -> str:
    """Return the token of a new session."""
    _, made = await stage.runtime.sessions.create(owner=owner, role=Role.USER, ttl=timedelta(hours=1))
    return made


async def _ready(address: Path) -> str:
    """Return where the service answers, as soon as it does."""
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            await asyncio.sleep(0.1)
            with suppress(OSError, httpx.TransportError):
                url = (await asyncio.to_thread(address.read_text)).strip()
                await client.get(f"{url}/healthz")
                return url
