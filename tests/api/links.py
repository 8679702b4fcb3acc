"""Links as their makers ask for them, and as whoever has one uses it: by the whole address, without a token."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from media_analysis.runtime import Runtime
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.conftest import Client

UPLOADS = "/api/v1/uploads/links"
HOUR = timedelta(hours=1)


async def share(client: Client, file: dict[str, Any], *, by: str = "alice", **asked: Any) -> dict[str, Any]:
    """Return the document of a new link to a file."""
    made = await client.request("POST", f"/api/v1/files/{file['id']}/links", by=by, json=asked)
    assert made.status_code == 201, made.text
    link: dict[str, Any] = made.json()
    return link


async def invite(client: Client, *, by: str = "alice", **asked: Any) -> dict[str, Any]:
    """Return the document of a new link for an upload."""
    made = await client.request("POST", UPLOADS, by=by, json={"category": "uploads", "max_bytes": 1_000} | asked)
    assert made.status_code == 201, made.text
    link: dict[str, Any] = made.json()
    return link


async def use(client: Client, link: dict[str, Any], method: str = "GET", **about: Any) -> httpx.Response:
    """Use a link as somebody without a token."""
    return await client.request(method, urlsplit(link["url"]).path, by=None, **about)


async def session(
    runtime: Runtime, *scopes: Scope, owner: str = "alice", limit: Limit | None = None, ttl: timedelta = HOUR
) -> tuple[Any, str]:
    """Return a session made for some things only, and its token."""
    return await runtime.sessions.create(owner=owner, role=Role.USER, ttl=ttl, scopes=scopes, limit=limit)
