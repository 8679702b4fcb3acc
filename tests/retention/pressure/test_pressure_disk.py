"""A full disk is relieved of trash first, then by priority and age, and never of what has no priority."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.errors import DiskReserveReached
from media_analysis.files.ledger import Account
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.retention.pressure.outcome import ReliefBlocker
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import chunks
from tests.disks import disk_of
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import (
    DISK,
    KIB,
    judged_runtime,
    on_small_disk,
    reasons,
    relieve,
    stock,
    throw_away,
    used_kib,
)


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


@pytest.fixture
async def other(settings: Settings, database: str, runtime: Runtime) -> AsyncIterator[Runtime]:
    """A second process over the same database and store."""
    async with open_runtime(settings, database) as opened:
        yield opened


async def test_the_disk_is_relieved_by_priority_and_never_of_outputs(runtime: Runtime, database: str) -> None:
    outputs = await stock(runtime, [20], category=Category.OUTPUTS)
    frames = await stock(runtime, [20], category=Category.FRAMES)
    uploads = await stock(runtime, [20], category=Category.UPLOADS)
    clips = await stock(runtime, [10, 10])
    temp = await stock(runtime, [10], category=Category.TEMP)

    outcome = (await relieve(on_small_disk(runtime, 100)))[DISK]

    assert (outcome.wanted_bytes, outcome.freed_bytes, outcome.relieved) == (40 * KIB, 50 * KIB, True)
    assert await living(database) == {*outputs, *frames}
    assert await buried(database) == {*temp, *clips, *uploads}


async def test_the_trash_of_every_category_goes_before_anything_stored(runtime: Runtime, database: str) -> None:
    outputs = await stock(runtime, [40], category=Category.OUTPUTS)
    temp = await stock(runtime, [45], category=Category.TEMP)
    await throw_away(runtime, *outputs)

    outcome = (await relieve(on_small_disk(runtime, 100)))[DISK]

    assert (outcome.trash_files, outcome.files) == (1, 0)
    assert await living(database) == set(temp)


async def test_a_disk_full_of_outputs_stays_so_and_says_why(runtime: Runtime, database: str) -> None:
    outputs = await stock(runtime, [85], category=Category.OUTPUTS)

    outcome = (await relieve(on_small_disk(runtime, 100)))[DISK]

    assert (outcome.wanted_bytes, outcome.freed_bytes, outcome.relieved) == (35 * KIB, 0, False)
    assert reasons(outcome) == {ReliefBlocker.NOT_EVICTABLE: 1}
    assert await living(database) == set(outputs)


async def test_a_large_reserve_is_kept_free_whatever_the_share(runtime: Runtime) -> None:
    await stock(runtime, [10] * 6, category=Category.TEMP)

    outcome = (await relieve(on_small_disk(runtime, 100, reserve_kib=70)))[DISK]

    assert outcome.wanted_bytes == 30 * KIB
    assert await used_kib(runtime, Category.TEMP) == 30


async def test_two_processes_that_relieve_the_disk_take_no_more_than_needed(runtime: Runtime, other: Runtime) -> None:
    await stock(runtime, [1] * 90, category=Category.TEMP)

    await asyncio.gather(*(relieve(on_small_disk(each, 100)) for each in (runtime, other)))

    assert await used_kib(runtime, Category.TEMP) == 50


async def test_on_a_full_disk_another_file_goes_for_an_object_that_cannot_be_removed(
    runtime: Runtime, database: str
) -> None:
    temp = await stock(runtime, [30, 30, 30], category=Category.TEMP)
    path = disk_of(runtime.store).root / f"temp/stocked/{temp[0]}.bin"
    aside = path.rename(path.with_name("aside.bin"))
    path.mkdir()

    outcome = (await relieve(on_small_disk(runtime, 100)))[DISK]

    path.rmdir()
    aside.unlink()
    assert (outcome.wanted_bytes, outcome.freed_bytes, outcome.relieved) == (40 * KIB, 60 * KIB, True)
    assert reasons(outcome) == {ReliefBlocker.FAILED: 1}
    assert await buried(database) == set(temp)


class TestWithArchivesOnADiskOfTheirOwn:
    """Each disk has its own room: nothing goes from one for the sake of the other."""

    @pytest.fixture
    def disk_path(self, tmp_path: Path) -> Path:
        return tmp_path / "archive disk"

    @pytest.fixture
    def environment(self, environment: dict[str, str], disk_path: Path) -> dict[str, str]:
        return {
            **environment,
            "ARCHIVE_BASE_PATH": str(disk_path),
            "STORAGE_EVICTION_PRIORITY_ARCHIVES": "1",
            "STORAGE_BREAKER_EVICTION_SHARE_PERCENT": "none",
        }

    async def test_pressure_on_the_store_takes_no_archives(self, runtime: Runtime, database: str) -> None:
        trash, archive = await stock(runtime, [45, 45], category=Category.ARCHIVES)
        await throw_away(runtime, trash)
        temp = await stock(runtime, [45, 45], category=Category.TEMP)

        outcome = (await relieve(on_small_disk(runtime, 100)))[DISK]

        assert (outcome.wanted_bytes, outcome.freed_bytes, outcome.relieved) == (40 * KIB, 45 * KIB, True)
        assert await living(database) == {trash, archive, temp[1]}

    @pytest.mark.parametrize("full", ["the store", "the archives"])
    async def test_an_upload_asks_the_disk_it_comes_to_lie_on(
        self, runtime: Runtime, disk_path: Path, full: str
    ) -> None:
        on_store = full == "the store"
        fits, fails = Category.ARCHIVES, Category.OUTPUTS
        if not on_store:
            fits, fails = fails, fits
        pressure = on_small_disk(runtime, 100, reserve_kib=30, root=None if on_store else disk_path)
        limits = replace(runtime.files.uploads.limits, reserve_bytes=30 * KIB)
        uploads = replace(
            runtime.files.uploads, protocol=replace(runtime.uploads, store=pressure.store), room=pressure, limits=limits
        )

        async def upload(category: Category) -> MediaFile:
            asked = Upload(owner="alice", category=category, filename="a.bin", declared_bytes=80 * KIB)
            return await uploads.store_file(asked, chunks(bytes(80 * KIB)))

        assert (await upload(fits)).size_bytes == 80 * KIB
        with pytest.raises(DiskReserveReached) as refused:
            await upload(fails)

        assert (refused.value.free_bytes, refused.value.missing_bytes) == (20 * KIB, 10 * KIB)

    async def test_an_upload_of_an_archive_evicts_from_the_disk_of_archives_alone(
        self, runtime: Runtime, disk_path: Path, database: str
    ) -> None:
        archives = await stock(runtime, [30, 30], category=Category.ARCHIVES)
        temp = await stock(runtime, [30, 30], category=Category.TEMP)
        pressure = on_small_disk(runtime, 100, root=disk_path)

        await pressure.make_disk_room(60 * KIB, Account("alice", Category.ARCHIVES), key="archives/2026/11/a.bin")

        assert await buried(database) == {archives[0]}
        assert await living(database) == {archives[1], *temp}
