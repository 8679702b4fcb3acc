"""Archives that fail, are damaged or late are told through the webhook, and so is the end of that."""

from collections.abc import AsyncIterator

import pytest

from media_analysis.retention.notices.service import NoticeService
from media_analysis.retention.notices.webhook import AlertWebhook
from media_analysis.runtime import Runtime
from tests.archive.archived import archive, make_run
from tests.conftest import execute
from tests.disks import disk_of
from tests.retention.notices.listener import Listener, listening

LATE = "alert:archive_late:archive"


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as opened:
        yield opened


async def test_an_archive_that_fails_is_told_until_it_succeeds(runtime: Runtime, listener: Listener) -> None:
    notices = NoticeService(runtime.db, AlertWebhook(listener.url))
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    away = path.rename(path.with_suffix(".away"))
    await archive(runtime, run.id)
    failing = await runtime.alerts.check()
    await notices.deliver()
    away.rename(path)
    await archive(runtime, run.id)

    mended = await runtime.alerts.check()
    await notices.deliver()

    topic = "alert:archive_damaged:archive:object_missing"
    assert failing[topic]["runs"] == 1
    assert topic not in mended
    told = [notice for notice in listener.heard if notice.get("alert") == "archive_damaged"]
    assert [notice["status"] for notice in told] == ["firing", "resolved"]


async def test_what_failed_otherwise_is_no_damage(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    away = path.rename(path.with_suffix(".away"))
    await archive(runtime, run.id)
    away.rename(path)
    await execute(database, "UPDATE archive_tasks SET error_code = 'disk_full'")

    firing = await runtime.alerts.check()

    assert "alert:archive_failing:archive:disk_full" in firing


async def test_a_run_that_waits_too_long_for_its_archive_is_told(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    moved = "UPDATE analysis_jobs SET completed_at = completed_at - interval '{} days'"
    await execute(database, moved.format(8))
    in_time = await runtime.alerts.check()
    await execute(database, moved.format(2))

    late = await runtime.alerts.check()
    await archive(runtime, run.id)

    assert LATE not in in_time
    assert LATE in late
    assert LATE not in await runtime.alerts.check()


async def test_an_archive_that_a_scrub_found_damaged_is_told(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await execute(database, "UPDATE media_files SET last_error = 'bytes differ' WHERE role = 'archive'")

    firing = await runtime.alerts.check()

    await execute(database, "UPDATE media_files SET last_error = NULL")
    assert firing["alert:archive_damaged:scrub"]["archives"] == 1
