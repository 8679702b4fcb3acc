"""Uploads that are all there: many go through each step together, and each has its own answer."""

import asyncio
import errno
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest

from media_analysis.errors import MediaTypeNotAccepted, QuotaReached, StoreUnavailable, UploadLeaseLost
from media_analysis.files.ledger import Account
from media_analysis.files.upload import small, storing
from media_analysis.files.upload.service import Upload
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.sessions.models import Role
from media_analysis.settings import Settings
from media_analysis.storage import disk
from media_analysis.storage.category import Category
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.store import Capacity
from tests.conftest import LOCKS, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import lapse_leases, objects, sweep
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy

Objects = Sequence[tuple[str, bytes]]
CALLERS = 64
KIB = 1024


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"STORAGE_QUOTA_OUTPUTS": "5KiB", "STORAGE_ACCEPT_CLIPS": "video/*"}


@pytest.fixture
async def session_id(runtime: Runtime) -> UUID:
    made, _ = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))
    return made.id


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database) as opened:
        yield opened


async def store(
    runtime: Runtime, session_id: UUID, *contents: bytes, category: Category = Category.UPLOADS
) -> Sequence[tuple[WrittenUpload, StoredUpload] | BaseException | None]:
    uploads = (
        runtime.files.uploads.store_small(
            Upload(owner="alice", category=category, filename="a"), content, session_id=session_id
        )
        for content in contents
    )
    return await asyncio.gather(*uploads, return_exceptions=True)


async def sums(database: str) -> list[tuple[int, ...]]:
    """Return the ledger, and what the categories use."""
    rows = await fetch(
        database,
        "SELECT (SELECT sum(files)::int FROM ledger), (SELECT sum(size_bytes)::int FROM ledger),"
        " (SELECT sum(reserved_bytes)::int FROM ledger), (SELECT sum(size_bytes)::int FROM category_usage)",
    )
    return [tuple(row) for row in rows]


async def test_what_waits_is_stored_together_and_counted_exactly(
    runtime: Runtime, session_id: UUID, database: str
) -> None:
    contents = [bytes([number]) * (number * 7) for number in range(CALLERS)]

    stored = await store(runtime, session_id, *contents)

    files = [one[0] for one in stored if isinstance(one, tuple)]
    rows = await fetch(database, "SELECT id, sha256, stored_at FROM media_files WHERE state = 'stored'")
    assert [file.sha256 for file in files] == [hashlib.sha256(content).digest() for content in contents]
    assert {row["id"]: row["sha256"] for row in rows} == {file.registration.id: file.sha256 for file in files}
    assert len({row["stored_at"] for row in rows}) <= 4
    total = sum(map(len, contents))
    assert await sums(database) == [(CALLERS, total, 0, total)]
    for file, content in zip(files, contents, strict=True):
        assert disk_of(runtime.store).path_of(file.registration.key).read_bytes() == content


async def test_a_session_that_was_revoked_stores_nothing(runtime: Runtime, session_id: UUID, database: str) -> None:
    good, _ = await runtime.sessions.create(owner="alice", role=Role.USER, ttl=timedelta(hours=1))
    await runtime.sessions.revoke(session_id, owner="alice")

    refused, stored = await asyncio.gather(store(runtime, session_id, b"a", b"b"), store(runtime, good.id, b"c"))

    assert (refused, [isinstance(one, tuple) for one in stored]) == ([None, None], [True])
    assert len(objects(disk_of(runtime.store).root)) == 1
    assert await sums(database) == [(1, 1, 0, 1)]


async def test_a_quota_stops_those_who_pass_it_and_nobody_else(
    runtime: Runtime, session_id: UUID, database: str
) -> None:
    outcomes, others = await asyncio.gather(
        store(runtime, session_id, *[bytes(KIB)] * 8, category=Category.OUTPUTS),
        store(runtime, session_id, *[bytes(KIB)] * 8, category=Category.TEMP),
    )

    assert [isinstance(one, tuple) for one in others] == [True] * 8
    assert sum(isinstance(one, tuple) for one in outcomes) == 5
    assert sum(isinstance(one, QuotaReached) for one in outcomes) == 3
    assert await sums(database) == [(13, 13 * KIB, 0, 13 * KIB)]
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []
    assert len(objects(disk_of(runtime.store).root)) == 13


async def test_who_passed_a_quota_fails_no_more_groups_of_others_for_a_while(
    runtime: Runtime, session_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "FULL_SECONDS", 60)
    await store(runtime, session_id, *[bytes(KIB)] * 6, category=Category.OUTPUTS)
    broken = Mock(wraps=small.log.info)
    monkeypatch.setattr(small, "log", Mock(info=broken))

    full, others = await asyncio.gather(
        store(runtime, session_id, *[bytes(KIB)] * 4, category=Category.OUTPUTS),
        store(runtime, session_id, *[bytes(KIB)] * 4, category=Category.TEMP),
    )
    monkeypatch.setattr(small, "FULL_SECONDS", 0)
    runtime.files.uploads.small.note_full(Account("alice", Category.OUTPUTS))
    (later,) = await store(runtime, session_id, b"", category=Category.OUTPUTS)

    assert (full, [isinstance(one, tuple) for one in others], broken.mock_calls) == ([None] * 4, [True] * 4, [])
    assert isinstance(later, tuple)


async def test_a_type_that_is_not_taken_is_refused_before_there_is_a_row(
    runtime: Runtime, session_id: UUID, database: str
) -> None:
    (refused,) = await store(runtime, session_id, b"plain text", category=Category.CLIPS)

    assert isinstance(refused, MediaTypeNotAccepted)
    assert await fetch(database, "SELECT id FROM media_files") == []


@pytest.mark.parametrize("delivered", [True, False], ids=["after it", "before it"])
async def test_a_connection_lost_at_the_end_still_yields_stored_files(
    settings: Settings, runtime: Runtime, session_id: UUID, database: str, proxy: CuttingProxy, *, delivered: bool
) -> None:
    async with open_runtime(settings, proxy.url) as far:
        proxy.arm(b"state = 'stored', reserved_bytes", ending=b"uploads", delivered=delivered)
        stored = await store(far, session_id, *[b"one"] * 4)

    assert proxy.cuts == 1
    assert [isinstance(one, tuple) for one in stored] == [True] * 4
    assert await sums(database) == [(4, 12, 0, 12)]
    assert len(objects(disk_of(runtime.store).root)) == 4


async def test_who_is_overtaken_by_the_sweep_is_told_so_and_leaves_nothing(
    runtime: Runtime, session_id: UUID, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_arrived = storing.store_arrived

    async def late(*given: Any, **named: Any) -> Mapping[UUID, StoredUpload]:
        await lapse_leases(database)
        await sweep(runtime)
        return await store_arrived(*given, **named)

    monkeypatch.setattr(storing, "store_arrived", late)

    (lost,) = await store(runtime, session_id, b"too late")

    assert isinstance(lost, UploadLeaseLost)
    assert objects(disk_of(runtime.store).root) == []
    assert await fetch(database, "SELECT id FROM media_files") == []


async def test_one_that_the_disk_does_not_take_fails_alone(
    runtime: Runtime, session_id: UUID, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many = DiskStore.put_many

    async def failing(store: DiskStore, objects: Objects, *, leaving_bytes: int) -> Sequence[bytes | Exception]:
        done = await put_many(store, objects, leaving_bytes=leaving_bytes)
        return [
            StoreUnavailable("EIO") if content == b"bad" else said
            for (_, content), said in zip(objects, done, strict=True)
        ]

    monkeypatch.setattr(DiskStore, "put_many", failing)

    stored = await store(runtime, session_id, b"good", b"bad", b"good")

    assert [isinstance(one, tuple) for one in stored] == [True, False, True]
    assert stored[1] is None
    assert len(objects(disk_of(runtime.store).root)) == 2
    assert await sums(database) == [(2, 8, 0, 8)]


async def test_rows_are_locked_while_bytes_are_put_and_what_came_after_these_locks_is_taken_back(
    runtime: Runtime, session_id: UUID, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many, unlocked = DiskStore.put_many, list[object]()

    async def frozen(store: DiskStore, objects: Objects, *, leaving_bytes: int) -> Sequence[bytes | Exception]:
        unlocked.extend(await fetch(database, "SELECT id FROM media_files FOR UPDATE SKIP LOCKED"))
        await execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        await lapse_leases(database)
        await sweep(runtime)
        return await put_many(store, objects, leaving_bytes=leaving_bytes)

    monkeypatch.setattr(DiskStore, "put_many", frozen)

    stored = await store(runtime, session_id, b"a")

    assert (stored, unlocked, objects(disk_of(runtime.store).root)) == ([None], [], [])
    assert await fetch(database, "SELECT id FROM media_files") == []


async def test_what_is_small_does_not_wait_for_what_is_not(
    runtime: Runtime, session_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_many, gate = DiskStore.put_many, asyncio.Event()

    async def slow(store: DiskStore, objects: Objects, *, leaving_bytes: int) -> Sequence[bytes | Exception]:
        if any(len(content) > small.SMALL_BYTES for _, content in objects):
            await gate.wait()
        return await put_many(store, objects, leaving_bytes=leaving_bytes)

    monkeypatch.setattr(DiskStore, "put_many", slow)
    large = asyncio.create_task(store(runtime, session_id, *[bytes(small.SMALL_BYTES + 1)] * 4))
    await asyncio.sleep(0)

    stored = await store(runtime, session_id, b"a", b"b")
    waits = not large.done()
    gate.set()

    assert (waits, [isinstance(one, tuple) for one in [*stored, *await large]]) == (True, [True] * 6)


async def test_a_group_leaves_the_reserve_of_the_disk_alone(
    runtime: Runtime, session_id: UUID, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = runtime.uploads.reserve_bytes + 2 * KIB
    monkeypatch.setattr(disk, "measure", lambda _root: Capacity(total_bytes=2 * needed, free_bytes=needed - 1))

    stored = await store(runtime, session_id, bytes(KIB), bytes(KIB))

    assert (stored, objects(disk_of(runtime.store).root)) == ([None, None], [])
    assert await fetch(database, "SELECT id FROM media_files") == []


def test_no_owner_holds_more_memory_than_is_left_for_all_others() -> None:
    memory = small.Memory(100)

    with memory.hold("alice") as mine:
        fits = [mine.add(50), mine.add(1)]
        with memory.hold("bob") as theirs:
            fits += [theirs.add(24), theirs.add(1)]
    with memory.hold("alice") as mine:
        fits += [mine.add(50)]

    assert fits == [True, False, True, False, True]


@pytest.mark.parametrize("point", ["small.registered", "small.synced"])
async def test_a_group_that_breaks_before_its_fact_leaves_nothing(
    runtime: Runtime, session_id: UUID, database: str, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def breaking(reached: str) -> None:
        if reached == point:
            raise OSError(errno.EIO, "EIO")

    monkeypatch.setattr(small, "failpoint", breaking)

    stored = await store(runtime, session_id, b"a", b"b")

    assert stored == [None, None]
    assert objects(disk_of(runtime.store).root) == []
    assert await fetch(database, "SELECT id FROM media_files") == []


async def test_a_group_locks_in_the_order_of_all_transactions(runtime: Runtime, session_id: UUID) -> None:
    LOCKS.orders.clear()

    await store(runtime, session_id, b"a", b"b")

    assert any({"media_files", "category_usage", "ledger", "+ledger_days"} <= set(order) for order in LOCKS.orders)
