"""Uploads whose body waits, registrations without a service, and a database connection that breaks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.storing import WrittenUpload
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.keys import object_key
from media_analysis.storage.walk import OWN_NAMES
from tests.conftest import execute

DEADLINE_SECONDS = 60


@dataclass
class SlowBody:
    """A body that sends its first part, waits to be released, and sends the rest."""

    first: bytes = bytes(100_000)
    rest: bytes = b"the rest"
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when all of the first part was taken."""
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def sent(self) -> AsyncIterator[bytes]:
        yield self.first
        self.asked.set()
        await self.released.wait()
        yield self.rest


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Return once `check` holds; fail after the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await check():  # noqa: ASYNC110 - what is awaited lies in PostgreSQL
            await asyncio.sleep(0.02)


def registration(owner: str = "alice", *, reserved_bytes: int = 0, **about: Any) -> Registration:
    """Return what an upload would register."""
    file_id: UUID = uuid7()
    category = Category.UPLOADS
    facts: dict[str, Any] = {
        "id": file_id,
        "owner": owner,
        "category": category,
        "key": object_key(category, file_id, extension="bin", day=datetime.now(UTC), parent_id=None, job_id=None),
        "filename": "file.bin",
        "media_type": "application/octet-stream",
        "job_id": None,
        "parent_id": None,
        "reserved_bytes": reserved_bytes,
        "idempotency_key": None,
        "fingerprint": None,
    }
    return Registration(**(facts | about))


def settlement(asked: Registration, content: bytes, sha256: bytes) -> WrittenUpload:
    return WrittenUpload(
        registration=asked,
        size_bytes=len(content),
        sha256=sha256,
        expiry=None,
    )


async def lapse_leases(database: str) -> None:
    """Move every pending row's lease into the past."""
    await execute(database, "UPDATE media_files SET due_at = now() - interval '1 s' WHERE state = 'pending'")


async def sweep(runtime: Runtime) -> SweepReport:
    return await runtime.retention.sweeps.run(SweepRequest(trigger=SweepTrigger.CLI, actor="test"))


def objects(root: Path) -> list[str]:
    """Return the keys of everything that lies in the store."""
    paths = (path for path in root.rglob("*") if path.is_file() and path.name not in OWN_NAMES)
    return sorted(str(path.relative_to(root)) for path in paths)
