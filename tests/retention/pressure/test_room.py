"""Room for an upload: just what is missing goes in the transaction that stores it, and nobody waits for a refusal."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import DatabaseUnavailable, QuotaReached
from media_analysis.files.ledger import Moved
from media_analysis.files.upload.service import Upload
from media_analysis.files.upload.storing import mark_staged
from media_analysis.retention.pressure import room
from media_analysis.retention.pressure.eviction import take_turn
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, chunks, fetch
from tests.files.conftest import eventually, lapse_leases, registration, settlement
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import CLIPS, KIB, change, judged_runtime, stock

FRAMES = Category.FRAMES


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Frames go down to ninety when they are more than a hundred."""
    return environment | CLIPS | {"STORAGE_QUOTA_FRAMES": "100KiB"}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def test_what_is_missing_goes_with_the_upload_and_the_rest_down_to_the_mark_after_it(
    runtime: Runtime, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps where that is more than one transaction takes; each is a sweep."""
    monkeypatch.setattr(room, "MOST_AT_ONCE", 2)
    frames = await stock(runtime, [2] * 50, category=FRAMES)

    stored = await store_file(bytes(10 * KIB), category=FRAMES)

    sweeps = await fetch(database, "SELECT files, status::text FROM sweeps ORDER BY id")
    assert [tuple(sweep) for sweep in sweeps] == [(number, "completed") for number in (2, 2, 1)]
    assert await living(database) == {*frames[5:], stored.id}


async def test_an_upload_that_cannot_be_granted_takes_none_of_the_steps(
    runtime: Runtime, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_AT_ONCE", 2)
    frames = await stock(runtime, [2] * 50, category=FRAMES)
    await change(runtime, "held_until = 'infinity', due_at = NULL", *frames[10:])

    with pytest.raises(QuotaReached):
        await store_file(bytes(22 * KIB), category=FRAMES)

    assert set(frames) <= await living(database)


async def test_an_upload_that_cannot_be_granted_waits_for_no_turn(runtime: Runtime, store_file: StoreFile) -> None:
    frames = await stock(runtime, [100], category=FRAMES)
    await change(runtime, "held_until = 'infinity', due_at = NULL", *frames)

    async with runtime.db.transaction() as session:
        await take_turn(session, FRAMES)
        with pytest.raises(QuotaReached):
            await store_file(b"x", category=FRAMES)


async def test_an_upload_that_waits_for_its_turn_keeps_its_lease(runtime: Runtime, database: str) -> None:
    await stock(runtime, [100], category=FRAMES)
    transactions = replace(runtime.upload_transactions, lease_seconds=0.3)
    uploads = replace(runtime.files.uploads, protocol=replace(runtime.uploads, transactions=transactions))
    asked = Upload(owner="alice", category=FRAMES, filename="frame")

    async def waits() -> bool:
        return bool(await fetch(database, "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))

    async def renewed() -> bool:
        return bool(await fetch(database, "SELECT FROM media_files WHERE state = 'pending' AND due_at > now()"))

    async with runtime.db.transaction() as session:
        await take_turn(session, FRAMES)
        storing = asyncio.create_task(uploads.store_file(asked, chunks(bytes(KIB))))
        await eventually(waits)
        await lapse_leases(database)
        await eventually(renewed)

    assert (await storing).state is FileState.STORED


async def take_at_once(session: AsyncSession, category: Category | None) -> None:
    await session.execute(text("SET LOCAL lock_timeout = '1ms'"))
    await take_turn(session, category)


@pytest.mark.parametrize(
    ("first", "second", "waits"),
    [(FRAMES, FRAMES, True), (FRAMES, Category.CLIPS, False), (FRAMES, None, True), (None, FRAMES, True)],
)
async def test_a_category_s_turn_keeps_others_from_it_and_from_the_disk_s(
    runtime: Runtime, first: Category | None, second: Category | None, *, waits: bool
) -> None:
    async with runtime.db.transaction() as session:
        await take_turn(session, first)
        try:
            async with runtime.db.transaction() as other:
                await take_at_once(other, second)
            waited = False
        except DatabaseUnavailable:
            waited = True

    assert waited is waits


async def test_a_product_staged_again_after_a_lost_answer_takes_no_room_again(runtime: Runtime, database: str) -> None:
    frames = await stock(runtime, [10] * 10, category=FRAMES)
    asked, content = registration(category=FRAMES), bytes(10 * KIB)
    await runtime.upload_transactions.register(asked)
    done = settlement(asked, content, hashlib.sha256(content).digest())

    async def closing(session: AsyncSession) -> tuple[frozenset[object], Sequence[Moved]]:
        return await mark_staged(session, [done], lease_seconds=60)

    once = await runtime.retention.pressure.make_room(asked, len(content), closing)
    again = await runtime.retention.pressure.make_room(asked, len(content), closing)

    (held,) = await fetch(database, "SELECT sum(size_bytes) AS stored, sum(reserved_bytes) AS staged FROM ledger")
    assert once == again == {asked.id}
    assert await buried(database) == {frames[0]}
    assert (held["stored"], held["staged"]) == (90 * KIB, 10 * KIB)
