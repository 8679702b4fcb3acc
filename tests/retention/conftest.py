"""Files planted in numbers, and sweeps with options of their own."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from media_analysis.deletion.tombstones import Order
from media_analysis.policy.decision import CategoryRules
from media_analysis.retention.claiming import Claimer
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.retention.sweep import SweepService
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch
from tests.retention.elsewhere import Elsewhere, Moments, living_elsewhere

CONTENT = b"planted"
_PLANT = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
                             stored_at, expires_at, expiry_explicit, due_at)
    SELECT id, $2, $3::category, 'stored', key, 'planted', 'text/plain', $5, 0, $6, now(), ends_at, $7, ends_at
    FROM unnest($1::uuid[], $4::text[], $8::timestamptz[]) AS planted(id, key, ends_at)
"""
_COUNT = """
    WITH used AS (UPDATE category_usage SET size_bytes = size_bytes + $4 WHERE category = $2::category)
    INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes) VALUES ($1, $2::category, $3, $4, 0)
    ON CONFLICT (owner, category)
        DO UPDATE SET files = ledger.files + excluded.files, size_bytes = ledger.size_bytes + excluded.size_bytes
"""

Plant = Callable[..., Awaitable[list[UUID]]]
PAST = timedelta(hours=-1)
FUTURE = timedelta(hours=1)


@pytest.fixture
def plant(runtime: Runtime, database: str, settings: Settings) -> Plant:
    """Stores small files without an upload, a second apart from when the first one ends; their ids, in that order."""

    async def planted(
        count: int = 1,
        *,
        ends_in: timedelta = PAST,
        owner: str = "alice",
        category: Category = Category.TEMP,
        explicit: bool = True,
    ) -> list[UUID]:
        first = await runtime.db.now() + ends_in
        ids: list[UUID] = [uuid7() for _ in range(count)]
        keys = [f"{category.value}/planted-{number % 3}/{file_id}.bin" for number, file_id in enumerate(ids)]
        write_objects(settings.store_path, keys)
        instants = [first + timedelta(seconds=number) for number in range(count)]
        connection = await asyncpg.connect(database)
        try:
            async with connection.transaction():
                facts = (len(CONTENT), sha256(CONTENT).digest(), explicit, instants)
                await connection.execute(_PLANT, ids, owner, category.value, keys, *facts)
                await connection.execute(_COUNT, owner, category.value, count, count * len(CONTENT))
        finally:
            await connection.close()
        return ids

    return planted


@pytest.fixture
def elsewhere(settings: Settings, database: str, runtime: Runtime) -> Iterator[Elsewhere]:
    """Another process, in a thread of its own."""
    with living_elsewhere(settings, database) as replica:
        yield replica


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    """Instants at which a test stops the service."""
    return Moments(monkeypatch)


def write_objects(root: Path, keys: list[str]) -> None:
    for key in keys:
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(path.open("xb")) as file:
            file.write(CONTENT)


def sweeping(runtime: Runtime, **options: Any) -> SweepService:
    """Return the sweep with other options."""
    return replace(runtime.retention.sweeps, options=replace(runtime.retention.sweeps.options, **options))


def request(**about: Any) -> SweepRequest:
    return SweepRequest(**{"trigger": SweepTrigger.CLI, "actor": "test", **about})


async def sweep(runtime: Runtime, *, now: datetime | None = None, **options: Any) -> SweepReport:
    return await sweeping(runtime, **options).run(request(), now=now)


async def claim_all(runtime: Runtime, category: Category, *, by: str) -> None:
    """Take what is due as a sweeper would that dies before it removes a byte."""
    order = Order(now=await runtime.db.now(), actor=by)
    await Claimer(runtime.db, runtime.deletion.deleter).claim(
        category, order, rules=CategoryRules(), after=None, limit=10
    )


async def living(database: str) -> set[UUID]:
    return {row["id"] for row in await fetch(database, "SELECT id FROM media_files")}


async def buried(database: str) -> set[UUID]:
    return {row["id"] for row in await fetch(database, "SELECT id FROM tombstones")}


async def key_of(database: str, file_id: UUID) -> str:
    (row,) = await fetch(database, "SELECT key FROM media_files WHERE id = $1", file_id)
    key: str = row["key"]
    return key


async def let_purges_lapse(database: str) -> None:
    """Move the leases and backoffs of the outbox into the past."""
    await execute(database, "UPDATE purges SET due_at = now() - interval '1 s' WHERE due_at IS NOT NULL")


async def open_purges(database: str) -> list[asyncpg.Record]:
    return await fetch(database, "SELECT *, due_at - now() AS pause FROM purges WHERE confirmed_at IS NULL")
