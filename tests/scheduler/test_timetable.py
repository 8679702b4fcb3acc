"""The scheduler: every category on its own cron, one sweep per tick, nothing left running."""

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from apscheduler.triggers.date import DateTrigger
from structlog.testing import capture_logs

from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import ABANDONED_CRON, SweepRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.scheduler.appointments import Appointment, answer_tick, planned_sweeps, slot_of
from media_analysis.scheduler.timetable import _Ticks as Ticks
from media_analysis.scheduler.timetable import running_scheduler
from media_analysis.settings import Settings, configured_policy, cron_trigger, load_settings
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.scheduler.duties import fall_due, never

HALF_PAST_MIDNIGHT = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
OVERDUE = "UPDATE media_files SET expires_at = now() - interval '1 h', due_at = now() - interval '1 h'"


def settings_of(**environment: str) -> Settings:
    return load_settings(environ=environment).settings


def crons(settings: Settings) -> dict[Category, str]:
    return {
        category: cron
        for cron, request in planned_sweeps(configured_policy(settings))
        if not request.only_pending
        for category in request.categories
    }


async def sweeps(database: str) -> list[dict[str, Any]]:
    query = "SELECT kind, slot, trigger::text, dry_run, status::text, error, files FROM sweeps ORDER BY started_at"
    return [dict(row) for row in await fetch(database, query)]


async def ended_sweeps(database: str, count: int) -> list[dict[str, Any]]:
    """Return the sweeps as soon as so many have ended."""
    ended: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while len(ended) < count:
            await asyncio.sleep(0.02)
            ended = [row for row in await sweeps(database) if row["status"] != "running"]
    return ended


def test_every_category_is_swept_when_its_table_says() -> None:
    planned = crons(settings_of())

    first = {
        category: cron_trigger(cron).get_next_fire_time(None, HALF_PAST_MIDNIGHT) for category, cron in planned.items()
    }

    minutes = {category: (moment - HALF_PAST_MIDNIGHT) // timedelta(minutes=1) for category, moment in first.items()}
    assert minutes == {
        Category.CLIPS: 0,
        Category.TEMP: 30,
        Category.UPLOADS: 90,
        Category.FRAMES: 90,
        Category.CONTACT_SHEETS: 90,
        Category.OUTPUTS: 90,
        Category.ARCHIVES: 150,
    }


def test_every_category_is_planned_once_and_given_up_uploads_beside_them() -> None:
    planned = planned_sweeps(configured_policy(settings_of()))

    swept = [category for _, request in planned if not request.only_pending for category in request.categories]
    pending = [(cron, set(request.categories)) for cron, request in planned if request.only_pending]
    assert sorted(swept) == sorted(Category)
    assert pending == [(ABANDONED_CRON, set(Category))]
    assert {request.trigger for _, request in planned} == {SweepTrigger.SCHEDULE}


def test_categories_of_one_schedule_are_swept_together() -> None:
    planned = planned_sweeps(configured_policy(settings_of()))

    together = {cron: request.categories for cron, request in planned if not request.only_pending}
    assert together["0 2 * * *"] == (Category.UPLOADS, Category.FRAMES, Category.CONTACT_SHEETS, Category.OUTPUTS)
    assert together["*/15 * * * *"] == (Category.CLIPS,)


def test_schedules_follow_the_settings() -> None:
    planned = crons(settings_of(STORAGE_CLEANUP_SCHEDULE="30 4 * * *", STORAGE_CLEANUP_SCHEDULE_TEMP="5 * * * *"))

    assert planned[Category.UPLOADS] == "30 4 * * *"
    assert planned[Category.TEMP] == "5 * * * *"
    assert planned[Category.CLIPS] == "*/15 * * * *"


def test_categories_of_one_schedule_go_in_one_sweep() -> None:
    everything_hourly = {f"STORAGE_CLEANUP_SCHEDULE_{category.value.upper()}": "0 * * * *" for category in Category}

    planned = planned_sweeps(configured_policy(settings_of(**everything_hourly)))

    planned_categories = [request.categories for _, request in planned if not request.only_pending]
    assert [set(categories) for categories in planned_categories] == [set(Category)]


def test_a_dry_run_in_the_settings_makes_every_planned_sweep_a_rehearsal() -> None:
    planned = planned_sweeps(configured_policy(settings_of()), dry_run=True)

    assert {request.dry_run for _, request in planned} == {True}


@pytest.mark.parametrize(
    ("second", "minute"), [(0, 15), (29, 15), (29.999, 15), (30, 16), (59, 16), (-1, 15), (-30, 15), (-31, 14)]
)
def test_a_tick_belongs_to_the_nearest_minute(second: float, minute: int) -> None:
    tick = datetime(2026, 3, 1, 4, 15, tzinfo=UTC)

    assert slot_of(tick + timedelta(seconds=second)) == tick.replace(minute=minute)


async def test_different_sweeps_of_one_minute_do_not_hide_each_other(runtime: Runtime, database: str) -> None:
    for _, request in planned_sweeps(configured_policy(runtime.settings)):
        await answer_tick(runtime, request)

    assert len(await sweeps(database)) == len(planned_sweeps(configured_policy(runtime.settings)))


async def test_what_is_due_goes_at_the_start(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    await store_file(b"12345")
    await execute(database, OVERDUE)

    async with running_scheduler(runtime, never):
        (first,) = await ended_sweeps(database, 1)

    assert (first["trigger"], first["slot"], first["files"]) == ("start", None, 1)
    assert not any(path.is_file() for path in runtime.settings.store_path.rglob("*/*"))


async def test_every_planned_sweep_runs_when_its_trigger_fires(runtime: Runtime, database: str) -> None:
    def at_once(_cron: str) -> DateTrigger:
        return DateTrigger(datetime.now(UTC))

    async with running_scheduler(runtime, at_once):
        ended = await ended_sweeps(database, 1 + len(planned_sweeps(configured_policy(runtime.settings))))

    kinds = [row["kind"] for row in ended if row["trigger"] == "schedule"]
    assert sorted(kinds) == sorted(request.kind for _, request in planned_sweeps(configured_policy(runtime.settings)))


@pytest.mark.parametrize("way", ["start", "schedule"])
async def test_ending_breaks_off_a_running_sweep_which_the_next_one_finishes(
    runtime: Runtime, store_file: StoreFile, database: str, environment: dict[str, str], way: str
) -> None:
    await store_file(b"12345")
    await execute(database, OVERDUE)
    soon = datetime.now(UTC) if way == "schedule" else datetime.max.replace(tzinfo=UTC) - timedelta(days=2)
    blocker = await asyncpg.connect(database)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE ledger")

    with capture_logs() as logs:
        async with running_scheduler(runtime, lambda _cron: DateTrigger(soon)):
            await _until_blocked(database)
        under_way = [task for task in asyncio.all_tasks() if "_follow" in repr(task.get_coro())]
    await transaction.rollback()
    await blocker.close()
    broken_off = await sweeps(database)
    report = await runtime.retention.sweeps.run(SweepRequest(trigger=SweepTrigger.CLI, actor="test"))

    assert under_way == []
    assert "failed" in {row["status"] for row in broken_off}
    assert {row["error"] for row in broken_off if row["status"] == "failed"} == {"CancelledError"}
    assert not [line for line in logs if line["log_level"] in {"error", "critical"}]
    assert report.files == 1


async def test_what_ends_before_it_began_leaves_nothing(runtime: Runtime, recwarn: pytest.WarningsRecorder) -> None:
    ticks = Ticks(runtime)

    async def never_reached() -> None:
        raise AssertionError

    ticks.start(never_reached)
    await ticks.end()
    gc.collect()

    assert list(recwarn) == []
    assert not [task for task in asyncio.all_tasks() if "_follow" in repr(task.get_coro())]


async def test_disabled_cleanup_starts_nothing(environment: dict[str, str], database: str) -> None:
    settings = settings_of(**environment, STORAGE_CLEANUP_ENABLED="false")

    async with open_runtime(settings, database) as runtime:
        before = asyncio.all_tasks()
        with capture_logs() as logs:
            async with running_scheduler(runtime, never):
                started = asyncio.all_tasks() - before

    assert started == set()
    assert [line["event"] for line in logs] == ["cleanup.disabled"]


async def test_without_a_sweep_at_the_start_nothing_runs_before_its_time(
    environment: dict[str, str], database: str
) -> None:
    settings = settings_of(**environment, STORAGE_CLEANUP_RUN_AT_START="false")

    async with open_runtime(settings, database) as runtime:
        before = asyncio.all_tasks()
        async with running_scheduler(runtime, never):
            started = asyncio.all_tasks() - before

    assert started == set()
    assert await sweeps(database) == []


async def test_what_was_missed_is_swept_although_the_categories_go_otherwise_together_now(
    environment: dict[str, str], database: str
) -> None:
    settings = settings_of(**environment, STORAGE_CLEANUP_RUN_AT_START="false")
    frames = SweepRequest(trigger=SweepTrigger.SCHEDULE, actor="test", categories=(Category.FRAMES,))

    async with open_runtime(settings, database) as runtime:
        await fall_due(runtime, Appointment.of_sweep("0 4 * * *", frames))
        async with running_scheduler(runtime):
            swept = await ended_sweeps(database, len(planned_sweeps(configured_policy(settings))))
    known = [row["name"] for row in await fetch(database, "SELECT name FROM duties")]

    assert any("frames" in row["kind"] for row in swept)
    assert frames.kind not in known


async def test_a_dry_run_in_the_settings_only_rehearses(
    environment: dict[str, str], runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await store_file(b"12345")
    await execute(database, OVERDUE)

    async with (
        open_runtime(settings_of(**environment, STORAGE_CLEANUP_DRY_RUN="true"), database) as rehearsing,
        running_scheduler(rehearsing, never),
    ):
        (first,) = await ended_sweeps(database, 1)

    assert (first["dry_run"], first["files"]) == (True, 1)
    assert len(await fetch(database, "SELECT * FROM media_files")) == 1


async def _until_blocked(database: str) -> None:
    """Return once something waits for a lock, and a sweep has known for a while that its row is there."""
    waiting = """
        SELECT 1 FROM pg_stat_activity AS waiter, sweeps
        WHERE waiter.datname = current_database() AND waiter.wait_event_type = 'Lock'
            AND sweeps.status = 'running' AND sweeps.started_at < clock_timestamp() - interval '0.2 s'
    """
    async with asyncio.timeout(60):
        while not await fetch(database, waiting):  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(0.02)
