"""Alerts are told when they begin, once, and when they end."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from media_analysis.retention.notices.alerts import AlertService
from media_analysis.retention.notices.service import NoticeService
from media_analysis.retention.notices.webhook import AlertWebhook
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import Client, StoreFile, execute
from tests.retention.conftest import Plant, request, sweep
from tests.retention.notices.listener import Listener, listening


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "STORAGE_QUOTA_CLIPS": "1000", "STORAGE_LOW_WATER_CLIPS": "900"}


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as opened:
        yield opened


@pytest.fixture
def alerts(runtime: Runtime) -> AlertService:
    return AlertService(runtime.db, runtime.retention.status)


async def test_a_quota_almost_full_is_told_once_and_its_end_too(
    runtime: Runtime, store_file: StoreFile, alerts: AlertService, listener: Listener
) -> None:
    notices = NoticeService(runtime.db, AlertWebhook(listener.url))
    await alerts.check()
    stored = await store_file(b"x" * 850, category=Category.CLIPS)

    first = await alerts.check()
    await notices.deliver()
    await alerts.check()
    await notices.deliver()
    await delete_file(runtime, stored.id, owner="alice", actor="alice")
    last = await alerts.check()
    await notices.deliver()

    assert "alert:quota_almost_full:clips" in first
    assert "alert:quota_almost_full:clips" not in last
    told = [notice for notice in listener.heard if notice.get("scope") == "clips"]
    assert [notice["status"] for notice in told] == ["firing", "resolved"]
    assert told[0]["quota_bytes"] == 1000


async def test_an_alert_that_ended_before_anybody_heard_of_it_is_not_told(
    runtime: Runtime, store_file: StoreFile, alerts: AlertService, listener: Listener
) -> None:
    stored = await store_file(b"x" * 850, category=Category.CLIPS)
    await alerts.check()
    await delete_file(runtime, stored.id, owner="alice", actor="alice")

    await alerts.check()
    await NoticeService(runtime.db, AlertWebhook(listener.url)).deliver()

    assert [notice for notice in listener.heard if notice.get("scope") == "clips"] == []


async def test_late_deletion_dead_letters_and_failed_sweeps_are_alerts(
    runtime: Runtime, database: str, plant: Plant, alerts: AlertService
) -> None:
    await plant(1, ends_in=timedelta(hours=-30))
    await plant(1, category=Category.UPLOADS)
    await sweep(runtime)
    await plant(1, ends_in=timedelta(hours=-30))
    await execute(
        database,
        "UPDATE sweeps SET status = 'failed', error = 'marker_mismatch'",
        "UPDATE purges SET dead_at = now() WHERE id = (SELECT id FROM purges LIMIT 1)",
    )

    firing = await alerts.check()

    assert {
        "alert:deletion_late:temp",
        "alert:dead_letters:outbox",
        f"alert:cleanup_failed:{request().kind}",
    } <= firing.keys()


@pytest.mark.parametrize(("deleted", "soft", "told"), [(20, False, True), (20, True, True), (19, False, False)])
async def test_many_deletions_by_requests_within_an_hour_are_told(
    runtime: Runtime, plant: Plant, alerts: AlertService, client: Client, deleted: int, *, soft: bool, told: bool
) -> None:
    """A quarter of a category, from twenty files on; sweeps are the breaker's affair."""
    files = await plant(70, category=Category.FRAMES, ends_in=timedelta(days=1))
    for file_id in files[:deleted]:
        await delete_file(runtime, file_id, owner="alice", actor="alice", soft=soft, hard=not soft)

    firing = await alerts.check()
    metrics = (await client.request("GET", "/metrics", by="admin")).text
    later = await alerts.check(now=await runtime.db.now() + timedelta(minutes=61))

    assert ("alert:mass_deletion:frames" in firing) is told
    assert "alert:mass_deletion:frames" not in later
    assert f'deletions_requested_files{{category="frames"}} {deleted}.0' in metrics
    assert f'deletions_requested_ratio{{category="frames"}} {deleted / 70}' in metrics
