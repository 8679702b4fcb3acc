"""What a client of tus 1.0 sends."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.conftest import Client

PIECE = "application/offset+octet-stream"


def metadata(**values: object) -> str:
    return ",".join(f"{name} {base64.b64encode(str(value).encode()).decode()}" for name, value in values.items())


def checksum(content: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


@dataclass
class TusClient:
    """Sends requests of the protocol; headers given replace its own, and None leaves one out."""

    client: Client
    by: str = "alice"
    own: dict[str, str] = field(default_factory=lambda: {"Tus-Resumable": "1.0.0"})

    async def send(
        self, method: str, path: str = "/api/v1/uploads", *, content: Any = None, **headers: Any
    ) -> httpx.Response:
        told = self.own | {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in told.items() if value is not None}
        return await self.client.request(method, path, by=self.by, headers=kept, content=content)

    async def create(self, length: int | None, content: bytes | None = None, **about: str) -> httpx.Response:
        """Create an upload with the metadata given."""
        sizes: dict[str, Any] = {"Upload_Defer_Length": "1"} if length is None else {"Upload_Length": str(length)}
        if about:
            sizes["Upload_Metadata"] = metadata(**about)
        if content is not None:
            sizes["Content_Type"] = PIECE
        return await self.send("POST", content=content, **sizes)

    async def start(self, length: int | None, **about: str) -> str:
        """Create an upload and return its address."""
        made = await self.create(length, None, **about)
        assert made.status_code == 201, made.text
        return made.headers["Location"]

    async def patch(self, path: str, offset: int, content: Any, **headers: Any) -> httpx.Response:
        told = {"Upload_Offset": str(offset), "Content_Type": PIECE}
        return await self.send("PATCH", path, content=content, **{**told, **headers})

    async def offset(self, path: str) -> int:
        answer = await self.send("HEAD", path)
        assert answer.status_code == 200, answer
        return int(answer.headers["Upload-Offset"])

    async def part(self, content: bytes) -> str:
        """Upload a part of something and return its address."""
        made = await self.send(
            "POST", content=content, Upload_Length=str(len(content)), Upload_Concat="partial", Content_Type=PIECE
        )
        assert made.status_code == 201, made.text
        return made.headers["Location"]


async def broken_off(content: bytes) -> AsyncIterator[bytes]:
    """Bytes of a client that leaves then."""
    yield content
    raise ConnectionResetError
