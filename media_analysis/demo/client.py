"""A client of the API as anybody would write one, for the demonstration."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from media_analysis.api import API_PATH as API
from media_analysis.errors import MediaAnalysisError

TIMEOUT_SECONDS: Final = 60.0
CHUNK: Final = 1 << 20
RECONNECT_SECONDS: Final = 0.5


class DemoFailed(MediaAnalysisError):
    """A step of the demonstration did not do what it is there to show."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Told:
    """One event of a stream."""

    id: int
    kind: str
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the API with a token; an answer that was not wanted ends the demonstration."""

    http: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        """Return the document at a path."""
        return (await self.call("GET", path, 200, params=query)).json()

    async def call(self, method: str, path: str, wanted: int, **about: Any) -> httpx.Response:
        """Return an answer of the wanted status.

        Raises:
            DemoFailed: it has another one.

        """
        answer = await self.http.request(method, f"{API}{path}", **about)
        if answer.status_code != wanted:
            raise DemoFailed(f"{method} {API}{path} answered {answer.status_code}, not {wanted}: {answer.text[:500]}")
        return answer

    async def upload(self, path: Path) -> dict[str, Any]:
        """Store a file among the uploads, streaming it, and return its document."""
        about = {"category": "uploads", "filename": path.name}
        length = {"Content-Length": str((await asyncio.to_thread(path.stat)).st_size)}
        answer = await self.call("POST", "/files", 201, params=about, content=_chunks(path), headers=length)
        stored: dict[str, Any] = answer.json()
        return stored

    async def events(self, job_id: str) -> AsyncIterator[Told]:
        """Yield every event of a job to its end; a stream that breaks off is taken up where it did."""
        after = 0
        while True:
            headers = {"Last-Event-ID": str(after)}
            async with self.http.stream("GET", f"{API}/jobs/{job_id}/events", headers=headers) as answer:
                if answer.status_code == httpx.codes.NO_CONTENT:
                    return
                if answer.status_code != httpx.codes.OK:
                    raise DemoFailed(f"the events of the job answered {answer.status_code}")
                async for told in parse_events(answer.aiter_lines()):
                    after = told.id
                    yield told
            await asyncio.sleep(RECONNECT_SECONDS if after == 0 else 0)


async def parse_events(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    """Yield the events in the lines of a stream (WHATWG HTML section 9.2.6); comments and `retry` pass unseen."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not line:
            if "data" in fields:
                yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


@asynccontextmanager
async def open_client(address: str, token: str) -> AsyncIterator[Client]:
    """Yield a client of the service at an address.

    Raises:
        DemoFailed: it does not answer.

    """
    headers = {"Authorization": f"Bearer {token}"}
    # No proxy of the environment's: the service is on this machine.
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as http:
        try:
            yield Client(http)
        except httpx.TransportError as error:
            raise DemoFailed(f"the service at {address} does not answer: {error}") from error
