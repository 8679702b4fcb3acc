"""The forecast over a real database: files uploaded, moved to a noon far away, and looked ahead from there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from media_analysis.files.models import MediaFile
from media_analysis.policy.in_force import get_policy
from media_analysis.retention.forecast.projection import Projection
from media_analysis.retention.forecast.request import ForecastRequest
from media_analysis.retention.forecast.service import Forecast
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute

NOON = datetime(2100, 3, 10, 12, tzinfo=UTC)
TODAY = NOON.date()
DAY = 86_400
PIB = 2**50
TRAVEL = """
    UPDATE media_files SET
        stored_at = $2, expires_at = expires_at + ($2 - stored_at), due_at = due_at + ($2 - stored_at)
    WHERE id = $1
"""

StoreAged = Callable[..., Awaitable[MediaFile]]


def on(number: int) -> date:
    return TODAY + timedelta(days=number)


def dues(progress: Projection) -> dict[date, tuple[int, int]]:
    """Return the files and bytes that fall due, of the days on which any do."""
    return {day.day: (day.due_files, day.due_bytes) for day in progress.days if day.due_files}


def used(progress: Projection) -> list[int]:
    return [day.used_bytes for day in progress.days]


@pytest.fixture
def store_aged(store_file: StoreFile, database: str) -> StoreAged:
    """Uploads a file of so many bytes as if it had been some days before noon; the ledger forgets that it came in."""

    async def store(size_bytes: int, *, days_ago: float = 0, **about: Any) -> MediaFile:
        file = await store_file(b"x" * size_bytes, **about)
        connection = await asyncpg.connect(database)
        try:
            await connection.execute(TRAVEL, file.id, NOON - timedelta(days=days_ago))
            await connection.execute("DELETE FROM ledger_days")
        finally:
            await connection.close()
        return file

    return store


async def took_in(database: str, category: str, days: dict[int, tuple[int, int]]) -> None:
    """Let the ledger say what came in on days counted from today."""
    for number, (files, size_bytes) in days.items():
        await execute(database, f"INSERT INTO ledger_days VALUES ('{on(number)}', '{category}', {files}, {size_bytes})")


async def forecast(runtime: Runtime, days: int = 10, category: Category | None = None, **lifetimes: float) -> Forecast:
    """Look ahead from noon; lifetimes are tried in days."""
    tried = {Category(name): timedelta(days=lifetime) for name, lifetime in lifetimes.items()}
    return await runtime.retention.forecast.forecast(ForecastRequest(days, category, tried), now=NOON)


async def test_what_leaves_is_told_to_the_hour_of_a_category(runtime: Runtime, store_aged: StoreAged) -> None:
    for size_bytes, hours in ((1, 24.9), (20, 25), (300, 144), (4000, 744)):
        await store_aged(size_bytes, ttl=round(hours * 3600), category=Category.FRAMES)
    found = [(one.before - NOON, one.size_bytes) for one in (await forecast(runtime)).leaving]
    assert found == [(timedelta(hours=25), 1), (timedelta(days=7, hours=1), 321), (timedelta(days=30, hours=1), 321)]
    assert [one.files for one in (await forecast(runtime, category=Category.OUTPUTS)).leaving] == [0, 0, 0]


async def test_files_fall_due_on_the_day_they_were_given_or_their_category_gives_them(
    runtime: Runtime, store_aged: StoreAged
) -> None:
    await store_aged(100, ttl=3 * DAY)
    await store_aged(20, ttl=3 * DAY - 1000, days_ago=1)
    await store_aged(7, days_ago=2)
    await store_aged(5, category=Category.FRAMES)
    await store_aged(3, category=Category.OUTPUTS)

    found = await forecast(runtime)

    assert [day.day for day in found.expected.days] == [on(number) for number in range(10)]
    assert dues(found.expected) == {on(2): (1, 20), on(3): (1, 100), on(5): (1, 7)}
    assert used(found.expected) == [135, 135, 115, 15, 15, 8, 8, 8, 8, 8]
    assert found.what_if is None
    assert found.used_bytes == 135


async def test_what_is_overdue_falls_due_today(runtime: Runtime, store_aged: StoreAged) -> None:
    await store_aged(11, days_ago=30)
    await store_aged(22, days_ago=8)

    found = await forecast(runtime, days=1)

    assert dues(found.expected) == {TODAY: (2, 33)}
    assert used(found.expected) == [0]


async def test_days_begin_at_midnight_utc(runtime: Runtime, store_aged: StoreAged) -> None:
    await store_aged(1, ttl=DAY / 2 - 1)
    await store_aged(2, ttl=DAY / 2)

    found = await forecast(runtime, days=2)

    assert dues(found.expected) == {TODAY: (1, 1), on(1): (1, 2)}


async def test_what_was_deleted_or_moved_no_longer_falls_due(
    runtime: Runtime, store_aged: StoreAged, database: str
) -> None:
    gone, moved = await store_aged(10), await store_aged(20)

    await delete_file(runtime, gone.id, owner=None, actor="test")
    await execute(database, f"UPDATE media_files SET due_at = due_at + interval '1 day' WHERE id = '{moved.id}'")
    found = await forecast(runtime)

    assert dues(found.expected) == {on(8): (1, 20)}
    assert used(found.expected)[0] == 20


async def test_the_mean_of_the_past_comes_in_and_falls_due_in_its_turn(runtime: Runtime, database: str) -> None:
    await took_in(database, "uploads", {-40: (900, 9_000), -28: (28, 2_800), -1: (28, 280), 0: (1, 30)})

    found = await forecast(runtime)

    assert [day.ingest_bytes for day in found.expected.days] == [80, *[110] * 9]
    assert dues(found.expected) == {on(7): (1, 80), on(8): (2, 110), on(9): (2, 110)}
    assert used(found.expected) == [80, 190, 300, 410, 520, 630, 740, 770, 770, 770]


async def test_a_young_service_takes_the_mean_of_the_days_it_has_seen(runtime: Runtime, database: str) -> None:
    await took_in(database, "outputs", {-2: (2, 50), 0: (0, 0)})

    found = await forecast(runtime, days=3)

    assert [day.ingest_bytes for day in found.expected.days] == [25, 25, 25]


async def test_an_empty_service_foresees_nothing(runtime: Runtime) -> None:
    found = await forecast(runtime, days=366)

    assert len(found.expected.days) == 366
    assert set(used(found.expected)) == {0}
    assert found.expected.quota_full_on is found.expected.disk_full_on is None


class TestWhatIf:
    """Frames live for 30 days; what if it were less, or more."""

    async def test_files_without_a_date_of_their_own_move(self, runtime: Runtime, store_aged: StoreAged) -> None:
        await store_aged(1, category=Category.FRAMES, days_ago=20)
        await store_aged(2, category=Category.FRAMES, days_ago=3)
        await store_aged(4, category=Category.FRAMES, ttl=6 * DAY)
        await store_aged(8, category=Category.UPLOADS)

        found = await forecast(runtime, frames=5)

        assert dues(found.expected) == {on(6): (1, 4), on(7): (1, 8)}
        assert found.what_if is not None
        assert dues(found.what_if) == {TODAY: (1, 1), on(2): (1, 2), on(6): (1, 4), on(7): (1, 8)}
        assert used(found.what_if) == [14, 14, 12, 12, 12, 12, 8, 0, 0, 0]

    async def test_what_is_held_stays(self, runtime: Runtime, store_aged: StoreAged, database: str) -> None:
        held = await store_aged(9, category=Category.FRAMES, days_ago=20)
        await execute(database, f"UPDATE media_files SET held_until = 'infinity', due_at = NULL WHERE id = '{held.id}'")

        found = await forecast(runtime, frames=5)

        assert found.what_if is not None
        assert dues(found.expected) == dues(found.what_if) == {}

    async def test_outputs_get_an_end_and_what_comes_in_lives_by_it_too(
        self, runtime: Runtime, store_aged: StoreAged, database: str
    ) -> None:
        await store_aged(50, category=Category.OUTPUTS, days_ago=3)
        await took_in(database, "outputs", {-1: (1, 10)})

        found = await forecast(runtime, days=6, outputs=4)

        assert found.what_if is not None
        assert used(found.expected) == [60, 70, 80, 90, 100, 110]
        assert dues(found.what_if) == {on(1): (1, 50), on(4): (1, 10), on(5): (1, 10)}
        assert used(found.what_if) == [60, 20, 30, 40, 40, 40]

    async def test_the_lifetime_in_force_changes_nothing(
        self, runtime: Runtime, store_aged: StoreAged, database: str
    ) -> None:
        for age in (1, 2, 29):
            await store_aged(age, category=Category.FRAMES, days_ago=age)
        await took_in(database, "frames", {-9: (7, 1234)})

        found = await forecast(runtime, days=60, frames=30)

        assert found.what_if == found.expected


class TestRoom:
    """A service whose temp files may take 100 bytes and whose frames may take 50."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_QUOTA_TEMP": "100", "STORAGE_QUOTA_FRAMES": "50"}

    async def test_the_first_quota_to_be_passed_is_named(self, runtime: Runtime, database: str) -> None:
        await took_in(database, "frames", {-1: (1, 20)})
        await took_in(database, "temp", {-1: (1, 30)})

        found = await forecast(runtime)
        alone = await forecast(runtime, category=Category.TEMP, temp=30)

        assert (found.expected.quota_full_on, found.expected.quota_full_category) == (on(2), Category.FRAMES)
        assert alone.what_if is not None
        assert (alone.expected.quota_full_on, alone.what_if.quota_full_on) == (None, on(3))
        assert used(alone.expected) == [30] * 10

    async def test_the_disk_is_full_when_all_categories_together_have_no_room(
        self, runtime: Runtime, database: str
    ) -> None:
        await took_in(database, "outputs", {-1: (1, PIB // 2)})
        await took_in(database, "archives", {-1: (1, PIB // 2)})
        room = 5 * PIB // 2
        free_bytes = (await runtime.store.capacity()).free_bytes
        service = replace(runtime.retention.forecast, reserve_bytes=free_bytes - room)

        found = await service.forecast(ForecastRequest(10, Category.CLIPS), now=NOON)

        assert found.expected.disk_full_on == on(2)


class TestTrash:
    """A service that keeps deleted files for a day."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft"}

    async def test_bytes_are_free_when_the_trash_is_emptied(
        self, runtime: Runtime, store_aged: StoreAged, database: str
    ) -> None:
        trashed = await store_aged(100)
        await store_aged(10, ttl=DAY)
        await store_aged(1, days_ago=7)
        await delete_file(runtime, trashed.id, owner=None, actor="test")
        await execute(
            database,
            f"UPDATE media_files SET (trash_ends_at, due_at) = ('{on(1)}', '{on(1)}') WHERE id = '{trashed.id}'",
        )

        found = await forecast(runtime, days=4)

        assert dues(found.expected) == {TODAY: (1, 1), on(1): (2, 110)}
        assert used(found.expected) == [111, 10, 0, 0]

    async def test_scratch_frees_its_bytes_when_it_falls_due(self, runtime: Runtime, store_aged: StoreAged) -> None:
        await store_aged(10, ttl=DAY)
        await store_aged(100, ttl=DAY, category=Category.CLIPS)

        found = await forecast(runtime, days=3)

        assert used(found.expected) == [110, 10, 0]


async def test_it_names_the_policy_it_is_made_by(runtime: Runtime) -> None:
    found = await forecast(runtime, uploads=1)
    async with runtime.db.read_only() as session:
        in_force = await get_policy(session)

    assert in_force is not None
    assert found.policy.version == in_force.version


async def forecast_today(runtime: Runtime, category: Category | None = None) -> Forecast:
    return await runtime.retention.forecast.forecast(ForecastRequest(2, category))


async def test_what_came_and_went_is_counted_by_the_day_of_its_transaction(
    runtime: Runtime, store_file: StoreFile
) -> None:
    kept = await store_file(b"x" * 10)
    gone = await store_file(b"y" * 7, category=Category.TEMP)
    await delete_file(runtime, gone.id, owner="alice", actor="alice")

    everything = (await forecast_today(runtime)).past
    uploads = (await forecast_today(runtime, kept.category)).past

    assert [day[1:] for day in everything] == [(2, 17, 1, 7)]
    assert [day[1:] for day in uploads] == [(1, 10, 0, 0)]
