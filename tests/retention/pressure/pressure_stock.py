"""Files of chosen sizes and ages, a disk of a chosen size, and the law that evictions keep."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import Any, cast
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.pressure.levels import DiskMarks
from media_analysis.retention.pressure.outcome import PressureScope, ReliefBlocker, ReliefOutcome
from media_analysis.retention.pressure.service import PressureService
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.storage.store import Capacity, ObjectStore
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.oracle import inspect_everything

KIB = 1024
CLIPS = {
    "STORAGE_QUOTA_CLIPS": "100KiB",
    "STORAGE_HIGH_WATER_CLIPS": "80KiB",
    "STORAGE_LOW_WATER_CLIPS": "60KiB",
    "STORAGE_DISK_HIGH_WATER_PERCENT": "100",
    "STORAGE_BREAKER_EVICTION_SHARE_PERCENT": "none",
}
"""Room for a hundred, pressure above eighty, down to sixty; neither the machine's disk nor a breaker plays a part."""
_STORE = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
                             stored_at, expires_at, expiry_explicit, due_at)
    SELECT id, $2, $3::category, 'stored', key, 'stocked', 'application/octet-stream', size_bytes, 0, hash,
        now(), now() + interval '1 day', false, now() + interval '1 day'
    FROM unnest($1::uuid[], $4::text[], $5::bigint[], $6::bytea[]) AS stocked(id, key, size_bytes, hash)
"""
_TRUTH = """
    SELECT owner, category, count(*) FILTER (WHERE state <> 'pending') AS files,
        coalesce(sum(size_bytes) FILTER (WHERE state <> 'pending'), 0) AS size_bytes,
        coalesce(sum(reserved_bytes), 0) AS reserved_bytes,
        count(*) FILTER (WHERE state = 'trashed') AS trashed_files,
        coalesce(sum(size_bytes) FILTER (WHERE state = 'trashed'), 0) AS trashed_bytes
    FROM media_files GROUP BY owner, category
"""
_SETTLE = f"""
    INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes, trashed_files, trashed_bytes) {_TRUTH}
    ON CONFLICT (owner, category) DO UPDATE SET files = excluded.files, size_bytes = excluded.size_bytes,
        reserved_bytes = excluded.reserved_bytes, trashed_files = excluded.trashed_files,
        trashed_bytes = excluded.trashed_bytes
"""
_USE = """
    UPDATE category_usage SET size_bytes = coalesce(
        (SELECT sum(size_bytes + reserved_bytes) FROM ledger WHERE ledger.category = category_usage.category), 0)
"""
_WRONG_USAGE = f"""
    SELECT category::text FROM category_usage LEFT JOIN (
        SELECT category, sum(size_bytes + reserved_bytes) AS size_bytes FROM ({_TRUTH}) AS truth GROUP BY category
    ) AS truth USING (category)
    WHERE category_usage.size_bytes <> coalesce(truth.size_bytes, 0)
"""
_UNLAWFUL = """
    SELECT id FROM tombstones WHERE trashed_at IS NULL AND state = 'stored' AND rule <> 'requested' AND (
        greatest(held_until, job_held_until, leased_until, min_retain_until) > deleted_at
        OR (rule <> 'pressure' AND expires_at > deleted_at))
"""
"""What no pressure excuses; the trash may go before its time."""


@asynccontextmanager
async def judged_runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """Yield the services; the oracle inspects what they left, and pressure may delete before its time, lawfully."""
    async with open_runtime(settings, database) as opened:
        yield opened
    violations = await inspect_everything(database, settings.store_path, archives=settings.archive.base_path)
    assert [violation for violation in violations if not violation.endswith("before it was due")] == []
    assert await fetch(database, _UNLAWFUL) == []
    assert await fetch(database, _WRONG_USAGE) == []


async def stock(
    runtime: Runtime, sizes_kib: Sequence[int], *, category: Category = Category.CLIPS, owner: str = "alice"
) -> list[UUID]:
    """Store files of these sizes without an upload, oldest first."""
    ids: list[UUID] = [uuid7() for _ in sizes_kib]
    contents = [file_id.bytes * (size_kib * KIB // 16) for file_id, size_kib in zip(ids, sizes_kib, strict=True)]
    keys = [f"{category.value}/stocked/{file_id}.bin" for file_id in ids]
    for key, content in zip(keys, contents, strict=True):
        path = disk_of(runtime.store).path_of(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    hashes = [sha256(content).digest() for content in contents]
    connection = await asyncpg.connect(_url(runtime))
    try:
        async with connection.transaction():
            sizes = [len(content) for content in contents]
            await connection.execute(_STORE, ids, owner, category.value, keys, sizes, hashes)
            await connection.execute(_SETTLE)
            await connection.execute(_USE)
    finally:
        await connection.close()
    return ids


async def change(runtime: Runtime, change_to: str, *ids: UUID) -> None:
    """Set columns of files to SQL expressions, and let the ledger follow."""
    named = ", ".join(f"'{file_id}'" for file_id in ids)
    await execute(_url(runtime), f"UPDATE media_files SET {change_to} WHERE id IN ({named})", _SETTLE, _USE)


async def throw_away(runtime: Runtime, *ids: UUID, hours_ago: int = 1) -> None:
    """Put files into the trash, for a day."""
    thrown = f"now() - interval '{hours_ago} hours'"
    ends = f"{thrown} + interval '1 day'"
    facts = f"state = 'trashed', trashed_at = {thrown}, trash_ends_at = {ends}, due_at = {ends}"
    await change(runtime, f"{facts}, trash_rule = 'requested', trashed_by = 'alice', trash_reason = 'no use'", *ids)


async def used_kib(runtime: Runtime, category: Category = Category.CLIPS) -> float:
    (row,) = await fetch(
        _url(runtime), "SELECT size_bytes FROM category_usage WHERE category = $1::category", category.value
    )
    return float(row["size_bytes"]) / KIB


async def relieve(pressure: PressureService, **about: Any) -> dict[str, ReliefOutcome]:
    """Relieve now; the outcomes by scope."""
    outcomes = await pressure.relieve(trigger=SweepTrigger.PRESSURE, actor="test", **about)
    return {outcome.scope.name: outcome for outcome in outcomes}


def reasons(outcome: ReliefOutcome) -> dict[ReliefBlocker, int]:
    """Return how many files were blocked, and why."""
    return {blocker: amount.files for blocker, amount in outcome.blocked.amounts.items() if amount.files}


class SmallDisk:
    """A store one of whose disks holds just so much, its own or that of its archives; what lies in it is real."""

    def __init__(self, store: ObjectStore, total_bytes: int, *, root: Path | None = None) -> None:
        self._store = store
        self.total_bytes = total_bytes
        self._root = root or disk_of(store).places.root

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def capacity(self, key: str = "") -> Capacity:
        if disk_of(self._store).places.root_of(key) != self._root:
            return await self._store.capacity(key)
        return Capacity(self.total_bytes, self.total_bytes - sum(map(size_of, self._root.rglob("*.bin"))))


def size_of(path: Path) -> int:
    """Return the bytes of an object; none if it is a folder, or somebody deletes it right now."""
    try:
        found = path.stat()
        return found.st_size if S_ISREG(found.st_mode) else 0
    except FileNotFoundError:
        return 0


def on_small_disk(
    runtime: Runtime, total_kib: int, *, reserve_kib: int = 0, root: Path | None = None
) -> PressureService:
    """Return the service over a small disk that is under pressure from 80 % on, down to 50 %."""
    store = cast("ObjectStore", SmallDisk(runtime.store, total_kib * KIB, root=root))
    marks = DiskMarks(reserve_bytes=reserve_kib * KIB, high_percent=80, low_percent=50)
    return replace(runtime.retention.pressure, store=store, marks=marks)


DISK = PressureScope(None).name
CLIPS_SCOPE = PressureScope(Category.CLIPS).name


def _url(runtime: Runtime) -> str:
    url = runtime.settings.database.url
    assert url is not None
    return url.get_secret_value()
