"""What a client announces moves nobody's file, and what has arrived is refused once it could not be stored."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from media_analysis.errors import OwnerQuotaReached, QuotaReached, UploadOverdue, UploadTooSlow
from media_analysis.files.upload.bodies import Pace, timed
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, chunks, fetch
from tests.files.conftest import SlowBody
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import CLIPS, KIB, judged_runtime, on_small_disk, stock, used_kib

MIB = 2**20
TEN_GIB = 10 * 2**30


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    quotas = {"STORAGE_QUOTA_UPLOADS": "10GiB", "STORAGE_QUOTA_FRAMES": "3MiB", "STORAGE_OWNER_QUOTA_CLIPS": "50KiB"}
    return environment | CLIPS | quotas


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


@pytest.mark.parametrize("category", [Category.UPLOADS, Category.ARCHIVES])
async def test_an_announcement_of_any_length_moves_nobody_s_file(
    runtime: Runtime, database: str, category: Category
) -> None:
    """Whether the quota or the disk had to give way: nine thousand bytes came."""
    uploads = await stock(runtime, [40], category=Category.UPLOADS)
    temp = await stock(runtime, [20], category=Category.TEMP)
    small = on_small_disk(runtime, TEN_GIB // KIB + 30)
    limits = replace(runtime.files.uploads.limits, reserve_bytes=0)
    service = replace(
        runtime.files.uploads, protocol=replace(runtime.uploads, store=small.store), room=small, limits=limits
    )
    slow = SlowBody(first=bytes(9 * KIB), rest=b"")
    asked = Upload(owner="mallory", category=category, filename="huge", declared_bytes=TEN_GIB)
    announced = asyncio.create_task(service.store_file(asked, slow.sent()))
    arrived = asyncio.create_task(slow.asked.wait())
    await asyncio.wait([announced, arrived], return_when=asyncio.FIRST_COMPLETED)
    arrived.cancel()
    refused_at_once = announced.done()

    mine = replace(asked, owner="bob", category=Category.UPLOADS, declared_bytes=9)
    stored = await service.store_file(mine, chunks(bytes(9)))
    announced.cancel()
    await asyncio.gather(announced, return_exceptions=True)

    assert refused_at_once is (category is Category.UPLOADS), "its quota could never hold both; the disk may yet"
    assert await living(database) == {*uploads, *temp, stored.id}


async def test_a_body_is_refused_once_what_has_arrived_could_not_be_stored(runtime: Runtime, database: str) -> None:
    kept = await stock(runtime, [2 * 1024], category=Category.FRAMES)
    (frame,) = kept
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(64):
            sent += MIB // 4
            yield bytes(MIB // 4)

    asked = Upload(owner="alice", category=Category.FRAMES, filename="frame")
    with pytest.raises(QuotaReached):
        await runtime.files.uploads.store_file(asked, body())

    assert sent == 4 * MIB
    assert await living(database) == {frame}


@pytest.mark.parametrize("piece", [64 * KIB, 2 * MIB], ids=["in pieces", "at once"])
async def test_what_has_arrived_of_an_upload_counts_once(runtime: Runtime, database: str, piece: int) -> None:
    """Alice has more than bob even when all of his is stored, however it comes."""
    frames = await stock(runtime, [1024, 1024, 512], category=Category.FRAMES, owner="alice")
    asked = Upload(owner="bob", category=Category.FRAMES, filename="frame", declared_bytes=2 * MIB)

    stored = await runtime.files.uploads.store_file(asked, chunks(bytes(2 * MIB), piece))

    assert await buried(database) == {*frames[:2]}
    assert await living(database) == {frames[2], stored.id}


async def test_an_announced_length_that_could_never_fit_is_refused_before_it_is_sent(runtime: Runtime) -> None:
    slow = SlowBody(first=bytes(9 * KIB), rest=b"")
    asked = Upload(owner="mallory", category=Category.FRAMES, filename="frame", declared_bytes=4 * MIB)

    with pytest.raises(QuotaReached):
        await runtime.files.uploads.store_file(asked, slow.sent())


async def test_an_owner_s_quota_takes_from_that_owner_alone(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    others = await stock(runtime, [20], owner="bob")
    mine = await stock(runtime, [20, 20], owner="alice")

    stored = await store_file(bytes(20 * KIB), category=Category.CLIPS, owner="alice")
    with pytest.raises(OwnerQuotaReached) as refused:
        await store_file(bytes(51 * KIB), category=Category.CLIPS, owner="alice")

    assert refused.value.quota_bytes == 50 * KIB
    assert await living(database) == {*others, mine[1], stored.id}
    assert await used_kib(runtime) == 60


async def test_uploads_at_once_never_pass_an_owner_s_quota(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await asyncio.gather(
        *(store_file(bytes(7 * KIB), category=Category.CLIPS, owner="alice") for _ in range(10)), return_exceptions=True
    )

    (held,) = await fetch(database, "SELECT size_bytes + reserved_bytes AS held FROM ledger WHERE owner = 'alice'")
    assert 0 < held["held"] <= 50 * KIB
    assert len(await buried(database)) == 10 - len(await living(database))


class Clock:
    """A clock that a body moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def trickle(clock: Clock, *, seconds: float, size: int, times: int) -> AsyncIterator[bytes]:
    for _ in range(times):
        clock.seconds += seconds
        yield bytes(size)


PACE = Pace(idle_seconds=30, min_bytes_per_second=100, deadline_seconds=1000)


async def drain(body: AsyncIterator[bytes], clock: Clock) -> int:
    return sum([len(chunk) async for chunk in timed(body, PACE, clock=clock)])


async def test_a_client_that_keeps_the_rate_may_take_until_the_deadline() -> None:
    clock = Clock()

    assert await drain(trickle(clock, seconds=20, size=2000, times=49), clock) == 98_000
    with pytest.raises(UploadOverdue):
        await drain(trickle(clock, seconds=20, size=2000, times=51), clock)


async def test_a_client_below_the_rate_is_ended_although_it_never_stalls() -> None:
    clock = Clock()

    with pytest.raises(UploadTooSlow):
        await drain(trickle(clock, seconds=20, size=1999, times=50), clock)
