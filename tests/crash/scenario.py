"""A day in the life of the service, remembering every promise it made until it died."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.conftest import chunks, execute

LARGE = bytes(range(256)) * 5_000
KEYED = b"sent under an idempotency key"
RAW = b"deleted by request"
SECRET = b"deleted and overwritten"
UNFAITHFUL = bytes(300_000)
"""Long enough to be registered before its end shows that it is not what was announced."""
SHORT_LIVED = b"expires before the cleanup"
KEYED_NAME = "keyed.bin"


@dataclass
class Promises:
    """What a client was told."""

    kept: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hexadecimal by id, of every file answered 201."""
    keyed: dict[str, Any] | None = None
    """The answer to the upload that carried an idempotency key."""
    asked: set[str] = field(default_factory=set)
    """Files whose DELETE was sent."""
    deleted: set[str] = field(default_factory=set)
    """Files whose DELETE was answered 204."""
    expired: set[str] = field(default_factory=set)


@dataclass
class Scenario:
    """Uploads, a failing upload, deletions, an expiry and a cleanup, in that order."""

    http: httpx.AsyncClient
    database: str
    promises: Promises = field(default_factory=Promises)

    async def play(self) -> bool:
        """Return whether the service survived to the end."""
        try:
            self.promises.keyed = await upload_keyed(self.http)
            self.promises.kept[self.promises.keyed["id"]] = self.promises.keyed["sha256"]
            await self._upload(LARGE, chunks(LARGE))
            unwanted = await self._upload(RAW, RAW)
            secret = await self._upload(SECRET, SECRET)
            await self._fail()
            short_lived = await self._upload(SHORT_LIVED, SHORT_LIVED, category="temp", ttl_seconds="3600")
            await self._delete(unwanted)
            await self._delete(secret, secure="true")
            await self._expire(short_lived)
            await clean_up(self.http)
        except httpx.TransportError:
            return False
        return True

    async def _upload(self, content: bytes, sent: bytes | AsyncIterator[bytes], **query: str) -> str:
        answer = await self.http.post("/files", params={"category": "uploads", "filename": "a", **query}, content=sent)
        assert answer.status_code == 201, answer.text
        file_id: str = answer.json()["id"]
        self.promises.kept[file_id] = hashlib.sha256(content).hexdigest()
        return file_id

    async def _fail(self) -> None:
        other = base64.b64encode(hashlib.sha256(b"other bytes").digest()).decode()
        answer = await self.http.post(
            "/files",
            params={"category": "clips", "filename": "a"},
            content=UNFAITHFUL,
            headers={"Content-Digest": f"sha-256=:{other}:"},
        )
        assert answer.status_code == 422, answer.text

    async def _delete(self, file_id: str, **query: str) -> None:
        self.promises.asked.add(file_id)
        answer = await self.http.delete(f"/files/{file_id}", params=query)
        assert answer.status_code == 204, answer.text
        self.promises.deleted.add(file_id)

    async def _expire(self, file_id: str) -> None:
        self.promises.expired.add(file_id)
        past = "now() - interval '1 second'"
        await execute(
            self.database, f"UPDATE media_files SET expires_at = {past}, due_at = {past} WHERE id = '{file_id}'"
        )


async def upload_keyed(http: httpx.AsyncClient) -> dict[str, Any]:
    """Send the upload that may be repeated and return its answer."""
    answer = await http.post(
        "/files",
        params={"category": "outputs", "filename": KEYED_NAME},
        content=KEYED,
        headers={"Idempotency-Key": "once"},
    )
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def clean_up(http: httpx.AsyncClient) -> None:
    """Sweep what is due."""
    answer = await http.post("/storage/cleanup", params={"dry_run": "false"})
    assert answer.status_code == 200, answer.text


async def let_attempts_lapse(database: str) -> None:
    """Let jobs that a dead worker was at be anybody's."""
    await execute(database, "UPDATE analysis_jobs SET leased_until = now() WHERE status = 'running'")


async def let_leases_lapse(database: str) -> None:
    """Let what the dead left behind be anybody's."""
    past = "now() - interval '1 second'"
    await execute(
        database,
        f"UPDATE media_files SET due_at = {past} WHERE state = 'pending'",
        f"UPDATE purges SET due_at = {past} WHERE due_at IS NOT NULL",
        f"UPDATE archive_tasks SET leased_until = {past} WHERE status = 'running'",
    )
