"""Deletions of all files that a filter names, as clients ask for them."""

from typing import Any

import httpx

from tests.api.deletions import FILES
from tests.conftest import Client

HOLD = {"reason": "evidence"}
NOTHING = {"files": 0, "size_bytes": 0}


async def delete(client: Client, *, by: str = "alice", **asked: Any) -> httpx.Response:
    return await client.request("DELETE", FILES, by=by, params=asked)


async def told(client: Client, *, by: str = "alice", **asked: Any) -> dict[str, Any]:
    answer = await delete(client, by=by, **asked)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def go(client: Client, *, by: str = "alice", **asked: Any) -> dict[str, Any]:
    return await told(client, by=by, dry_run="false", **asked)


def addresses(*ids: str) -> list[str]:
    return [f"{FILES}/{file_id}" for file_id in ids]
