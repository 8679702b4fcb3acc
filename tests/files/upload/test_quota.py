"""A quota is never passed, whoever uploads at once; room is made where policy allows, or nothing is lost for it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from media_analysis.errors import DiskReserveReached, QuotaExceeded, QuotaReached
from media_analysis.files.ledger import Account
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings, load_settings
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, chunks, fetch
from tests.disks import disk_of
from tests.files.conftest import SlowBody, objects
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import (
    CLIPS,
    KIB,
    change,
    judged_runtime,
    on_small_disk,
    stock,
    throw_away,
    used_kib,
)

UPLOADERS = 32


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The high-water mark is the quota, so that nothing goes once an upload had its room."""
    return environment | CLIPS | {"STORAGE_QUOTA_OUTPUTS": "100KiB", "STORAGE_HIGH_WATER_CLIPS": "100KiB"}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def used_bytes(database: str, category: Category) -> int:
    """Return how many bytes a category uses, by its quota or by its rows, whichever says more."""
    (seen,) = await fetch(
        database,
        """
        SELECT greatest(
            (SELECT size_bytes FROM category_usage WHERE category = $1::category),
            (SELECT sum(size_bytes) FROM media_files WHERE state <> 'pending' AND category = $1::category)
        )::bigint AS used
        """,
        category.value,
    )
    used: int = seen["used"]
    return used


async def watch(database: str, category: Category, ended: asyncio.Event) -> int:
    """Return the most bytes a category ever used until the event."""
    most = 0
    while not ended.is_set():
        most = max(most, await used_bytes(database, category))
    return max(most, await used_bytes(database, category))


@pytest.mark.parametrize("told", [True, False], ids=["lengths told", "lengths unknown"])
@pytest.mark.parametrize("category", [Category.OUTPUTS, Category.CLIPS])
async def test_uploads_at_once_never_pass_a_quota(
    runtime: Runtime, database: str, store_file: StoreFile, category: Category, *, told: bool
) -> None:
    sizes = [KIB * (1 + number % 13) for number in range(UPLOADERS)]
    over = asyncio.Event()
    watching = asyncio.create_task(watch(database, category, over))

    answers = await asyncio.gather(
        *(
            store_file(bytes(size), category=category, owner=f"owner-{size % 3}", declared_bytes=size if told else None)
            for size in sizes
        ),
        return_exceptions=True,
    )
    over.set()

    stored = [answer for answer in answers if isinstance(answer, MediaFile)]
    refused = [answer for answer in answers if not isinstance(answer, MediaFile)]
    assert [answer for answer in refused if not isinstance(answer, QuotaExceeded)] == []
    assert 0 < await watching <= 100 * KIB
    assert refused or category is Category.CLIPS
    assert await living(database) | await buried(database) >= {file.id for file in stored}
    assert len(objects(disk_of(runtime.store).root)) == len(await living(database))
    assert sum(file.size_bytes or 0 for file in stored) > 80 * KIB
    left = 100 * KIB - await used_bytes(database, category)
    assert left == 0 or (await store_file(bytes(left), category=category, declared_bytes=left)).size_bytes == left


async def test_an_upload_of_unknown_length_stops_where_the_quota_ends(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await stock(runtime, [70], category=Category.OUTPUTS)

    with pytest.raises(QuotaReached):
        await store_file(bytes(40 * KIB), category=Category.OUTPUTS)

    assert await used_kib(runtime, Category.OUTPUTS) == 70
    assert len(objects(disk_of(runtime.store).root)) == len(await living(database)) == 1


async def test_the_last_byte_of_a_quota_can_be_used(runtime: Runtime, store_file: StoreFile) -> None:
    await stock(runtime, [70], category=Category.OUTPUTS)

    await store_file(bytes(30 * KIB), category=Category.OUTPUTS, declared_bytes=30 * KIB)

    assert await used_kib(runtime, Category.OUTPUTS) == 100


async def test_an_upload_without_room_evicts_down_to_the_low_mark(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    clips = await stock(runtime, [15] * 6)

    await store_file(bytes(20 * KIB), category=Category.CLIPS, declared_bytes=20 * KIB)

    assert await buried(database) == set(clips[:2])
    assert await used_kib(runtime) == 80
    sweeps = await fetch(database, "SELECT kind, trigger::text, files FROM sweeps ORDER BY id")
    kind = ("pressure:category:clips", "upload")
    assert [tuple(sweep) for sweep in sweeps] == [(*kind, 1), (*kind, 1)], "what is missing, then down to the mark"


async def test_a_large_upload_evicts_as_much_as_it_needs(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    clips = await stock(runtime, [15] * 6)

    await store_file(bytes(60 * KIB), category=Category.CLIPS, declared_bytes=60 * KIB)

    assert await buried(database) == set(clips[:4])


async def test_many_uploads_that_find_no_room_evict_for_it_once(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    clips = await stock(runtime, [2] * 50)

    await asyncio.gather(
        *(store_file(bytes(KIB), category=Category.CLIPS, declared_bytes=KIB) for _ in range(UPLOADERS))
    )

    (made, relieved) = await fetch(database, "SELECT files FROM sweeps ORDER BY id")
    assert made["files"] == 1
    assert relieved["files"] in {19, 20}, "one more file fits into what the first left of two"
    assert await buried(database) == set(clips[: 1 + relieved["files"]])


async def test_a_file_larger_than_the_quota_evicts_nothing(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    clips = await stock(runtime, [45, 45])

    with pytest.raises(QuotaReached) as refused:
        await store_file(bytes(101 * KIB), category=Category.CLIPS, declared_bytes=101 * KIB)

    assert refused.value.space_frees_at is None
    assert await living(database) == set(clips)


async def test_an_upload_that_cannot_fit_anyway_evicts_nothing(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    clips = await stock(runtime, [45, 45])
    soon = await runtime.db.now() + timedelta(hours=2)
    await change(runtime, f"min_retain_until = '{soon.isoformat()}'", clips[1])
    await change(runtime, f"expires_at = '{soon.isoformat()}', due_at = '{soon.isoformat()}'", clips[1])

    with pytest.raises(QuotaReached) as refused:
        await store_file(bytes(60 * KIB), category=Category.CLIPS, declared_bytes=60 * KIB)

    facts = refused.value.facts()
    assert await living(database) == set(clips)
    assert facts["quota_bytes"] == 100 * KIB
    assert (facts["used_bytes"], facts["needed_bytes"], facts["missing_bytes"]) == (90 * KIB, 60 * KIB, 50 * KIB)
    assert refused.value.space_frees_at is not None
    assert refused.value.space_frees_at > soon  # both have to fall due
    assert await fetch(database, "SELECT id FROM sweeps") == []


class TestTrash:
    """A service that deletes by way of the trash, where it is kept for a day."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft", "STORAGE_QUOTA_OUTPUTS": str(100 * KIB)}

    @pytest.mark.parametrize(
        ("category", "after"), [(Category.CLIPS, timedelta(0)), (Category.OUTPUTS, timedelta(days=1))]
    )
    async def test_who_does_not_fit_is_told_when_what_falls_due_frees_its_bytes(
        self, runtime: Runtime, store_file: StoreFile, category: Category, after: timedelta
    ) -> None:
        held = await store_file(bytes(90 * KIB), category=category, ttl=3600)
        await change(runtime, "min_retain_until = expires_at", held.id)

        with pytest.raises(QuotaReached) as refused:
            await store_file(bytes(60 * KIB), category=category)

        assert held.expires_at is not None
        assert refused.value.space_frees_at == held.expires_at + after


async def test_only_the_trash_of_a_category_without_priority_makes_room(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    outputs = await stock(runtime, [30, 30, 40], category=Category.OUTPUTS)
    await throw_away(runtime, outputs[1])

    await store_file(bytes(10 * KIB), category=Category.OUTPUTS, declared_bytes=10 * KIB)
    with pytest.raises(QuotaReached):
        await store_file(bytes(21 * KIB), category=Category.OUTPUTS, declared_bytes=21 * KIB)

    assert {outputs[0], outputs[2]} <= await living(database)
    assert await used_kib(runtime, Category.OUTPUTS) == 80


async def test_what_has_not_arrived_whole_takes_no_room_from_others(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    slow = SlowBody(first=bytes(70 * KIB), rest=bytes(10 * KIB))
    asked = Upload(owner="bob", category=Category.OUTPUTS, filename="slow.bin", declared_bytes=80 * KIB)
    uploading = asyncio.create_task(runtime.files.uploads.store_file(asked, slow.sent()))
    await slow.asked.wait()

    stored = await store_file(bytes(30 * KIB), category=Category.OUTPUTS, declared_bytes=30 * KIB)
    slow.released.set()
    with pytest.raises(QuotaReached):
        await uploading

    assert await living(database) == {stored.id}
    assert await used_kib(runtime, Category.OUTPUTS) == 30


async def test_an_upload_that_passes_the_high_mark_has_it_relieved_at_once(
    environment: dict[str, str], database: str
) -> None:
    lower = load_settings(environ=environment | CLIPS).settings
    asked = Upload(owner="alice", category=Category.CLIPS, filename="clip", declared_bytes=10 * KIB)

    async with judged_runtime(lower, database) as runtime:
        await stock(runtime, [15] * 5)
        await runtime.files.uploads.store_file(asked, chunks(bytes(10 * KIB)))

        assert await used_kib(runtime) == 55


async def test_an_upload_that_would_eat_the_reserve_evicts_first(runtime: Runtime, database: str) -> None:
    temp = await stock(runtime, [10] * 6, category=Category.TEMP)

    await on_small_disk(runtime, 100, reserve_kib=30).make_disk_room(25 * KIB, Account("alice", Category.TEMP))

    assert await buried(database) == set(temp[:2])


async def test_an_upload_for_which_the_disk_is_too_small_evicts_nothing(runtime: Runtime, database: str) -> None:
    temp = await stock(runtime, [10] * 6, category=Category.TEMP)

    with pytest.raises(DiskReserveReached) as refused:
        await on_small_disk(runtime, 100, reserve_kib=30).make_disk_room(75 * KIB, Account("alice", Category.TEMP))

    assert refused.value.missing_bytes == 65 * KIB
    assert await living(database) == set(temp)


async def test_where_cleanup_only_rehearses_an_upload_evicts_nothing(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [45, 45])
    uploads = replace(runtime.files.uploads, room=replace(runtime.retention.pressure, evicts=False))
    asked = Upload(owner="alice", category=Category.CLIPS, filename="clip")

    with pytest.raises(QuotaReached):
        await uploads.store_file(asked, chunks(bytes(20 * KIB)))

    assert await living(database) == set(clips)
