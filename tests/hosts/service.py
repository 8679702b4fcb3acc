"""The service on hosts of a test: started as its users start it, asked over the network, held to what it said."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.hosts.network import Host, Program

READY_SECONDS: Final = 90.0
COMMAND: Final = Path(__file__).parents[2] / ".venv/bin/media-analysis"
PORT: Final = 8000


@dataclass
class ServedHost:
    """A host that serves, as its administrator speaks with it."""

    host: Host
    serving: Program
    http: httpx.AsyncClient

    def url(self, path: str) -> str:
        """Return where it answers for a path."""
        return f"http://{self.host.address}:{PORT}{path}"

    async def ready(self) -> dict[str, Any]:
        """Return what its readiness says."""
        answer = await self.http.get(self.url("/readyz"))
        return {"status": answer.status_code, **answer.json()}


@dataclass
class Installation:
    """Several hosts over one database and one bucket, each with a data directory of its own."""

    environment: Mapping[str, str]
    """What all have in common."""
    folder: Path
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def serve(self, host: Host, **variables: str) -> ServedHost:
        """Start `serve` on a host and wait until it is ready."""
        about = {"SERVER_HOST": host.address, "SERVER_PORT": str(PORT)} | variables
        program = host.start(COMMAND, "serve", environment=self._about(host, about))
        await _until(program, "ready at")
        token = (self._data(host) / "admin-token").read_text().strip()
        http = self.client(host, token)
        return ServedHost(host, program, http)

    def client(self, host: Host, token: str) -> httpx.AsyncClient:
        """Return a client of what a host serves."""
        made = httpx.AsyncClient(
            base_url=f"http://{host.address}:{PORT}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(60, connect=10),
            trust_env=False,
        )
        self.clients.append(made)
        return made

    async def work(self, host: Host, **variables: str) -> Program:
        """Start `work` on a host and wait until it takes jobs."""
        program = host.start(COMMAND, "work", environment=self._about(host, variables))
        await _until(program, "ready: ")
        return program

    async def run(self, host: Host, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command on a host to its end."""
        return await asyncio.to_thread(
            subprocess.run,
            host.here(COMMAND, *words),
            env={**os.environ, **self._about(host, {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=READY_SECONDS,
        )

    def _data(self, host: Host) -> Path:
        return self.folder / host.name

    def _about(self, host: Host, variables: Mapping[str, str]) -> dict[str, str]:
        return {**self.environment, "MEDIA_ANALYSIS_DATA_DIR": str(self._data(host)), **variables}


@asynccontextmanager
async def installation(environment: Mapping[str, str], folder: Path) -> AsyncIterator[Installation]:
    """Yield an installation that nothing was started of; its clients are closed in the end."""
    made = Installation(environment, folder)
    try:
        yield made
    finally:
        for client in made.clients:
            await client.aclose()


async def _until(program: Program, words: str) -> None:
    ends_at = time.monotonic() + READY_SECONDS
    while words not in program.said:
        assert program.running.poll() is None, program.said
        assert time.monotonic() < ends_at, program.said
        await asyncio.sleep(0.02)
