"""Asking for pictures of files, and looking at what comes and at what is kept of it."""

from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from media_analysis.runtime import Runtime
from tests.conftest import Client, fetch

KEPT = (
    "SELECT id::text, state::text, category::text, size_bytes, expires_at FROM media_files WHERE rendition IS NOT NULL"
)


async def upload(client: Client, path: Path, **query: Any) -> str:
    """Upload a file under its own name and return its id."""
    return str((await client.upload(_read(path), filename=path.name, **query))["id"])


def _read(path: Path) -> bytes:
    return path.read_bytes()


async def picture(
    client: Client, file_id: str, what: str, *, by: str = "alice", headers: dict[str, str] | None = None, **query: Any
) -> httpx.Response:
    """Ask for the `frame` or the `thumbnail` of a file."""
    return await client.request("GET", f"/api/v1/files/{file_id}/{what}", by=by, params=query, headers=headers)


def opened(answer: httpx.Response) -> Image.Image:
    """Return the picture of an answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    return Image.open(BytesIO(answer.content))


async def kept(runtime: Runtime, database: str) -> list[dict[str, Any]]:
    """Return the rows of pictures that are kept, once none is on its way."""
    await runtime.renditions.close()
    return [dict(row) for row in await fetch(database, KEPT)]
