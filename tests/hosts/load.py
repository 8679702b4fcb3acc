"""Clients that upload and delete without a pause, and remember every answer they got."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx

from tests.crash.scenario import Promises

CALLERS: Final = 4
EVERY: Final = 3
"""Of so many uploads one is deleted."""
AGAIN_SECONDS: Final = 0.05
"""How long a client that was refused waits."""


@dataclass
class Load:
    """What clients were told, and how often they were not answered well."""

    promises: Promises = field(default_factory=Promises)
    refused: int = 0
    stored: asyncio.Condition = field(default_factory=asyncio.Condition)
    ending: bool = False

    async def more(self, uploads: int) -> None:
        """Wait until so many more were answered 201."""
        wanted = len(self.promises.kept) + uploads
        async with self.stored:
            await self.stored.wait_for(lambda: len(self.promises.kept) >= wanted)

    async def call(self, http: httpx.AsyncClient) -> None:
        """Upload and delete until the end."""
        count = 0
        while not self.ending:
            count += 1
            try:
                file_id = await self._upload(http, os.urandom(1000))
                if file_id is not None and count % EVERY == 0:
                    await self._delete(http, file_id)
            except httpx.TransportError:
                self.refused += 1
                await asyncio.sleep(AGAIN_SECONDS)

    async def _upload(self, http: httpx.AsyncClient, content: bytes) -> str | None:
        answer = await http.post("/files", params={"category": "uploads", "filename": "a"}, content=content)
        if answer.status_code != 201:
            await self._refuse(answer)
            return None
        file_id: str = answer.json()["id"]
        self.promises.kept[file_id] = hashlib.sha256(content).hexdigest()
        async with self.stored:
            self.stored.notify_all()
        return file_id

    async def _delete(self, http: httpx.AsyncClient, file_id: str) -> None:
        self.promises.asked.add(file_id)
        answer = await http.delete(f"/files/{file_id}")
        if answer.status_code == 204:
            self.promises.deleted.add(file_id)
        else:
            await self._refuse(answer)

    async def _refuse(self, answer: httpx.Response) -> None:
        assert answer.status_code == 503, answer.text
        self.refused += 1
        await asyncio.sleep(AGAIN_SECONDS)


@asynccontextmanager
async def loaded(*clients: httpx.AsyncClient) -> AsyncIterator[Load]:
    """Let several callers use each of some hosts while the block runs."""
    load = Load()
    calling = [asyncio.create_task(load.call(http)) for http in clients for _ in range(CALLERS)]
    try:
        yield load
    finally:
        load.ending = True
        await asyncio.gather(*calling)


async def require_kept(http: httpx.AsyncClient, promises: Promises) -> None:
    """Read all that was stored: it is there, whole, unless it was deleted, and then it is gone."""
    for file_id, digest in promises.kept.items():
        answer = await http.get(f"/files/{file_id}/content")
        if file_id in promises.deleted:
            assert answer.status_code == 410, answer.text
        elif answer.status_code == 410 and file_id in promises.asked:
            continue
        else:
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == digest


def told(load: Load) -> Sequence[int]:
    """Return how many were stored, deleted and refused."""
    return len(load.promises.kept), len(load.promises.deleted), load.refused
