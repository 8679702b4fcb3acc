"""Notices reach the webhook once each, and again until somebody takes them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook as Verifier

from media_analysis.outbound.signing import new_secret
from media_analysis.retention.notices.service import MAX_ATTEMPTS, NoticeService, add_notices
from media_analysis.retention.notices.warnings import WarningService
from media_analysis.retention.notices.webhook import AlertWebhook
from media_analysis.runtime import Runtime
from media_analysis.settings.storage import MonitoringSettings
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.retention.notices.listener import Listener, listening
from tests.webhooks.receiver import receiving

DAY = timedelta(days=1)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as opened:
        yield opened


@pytest.fixture
def notices(runtime: Runtime, listener: Listener) -> NoticeService:
    return NoticeService(runtime.db, AlertWebhook(listener.url))


async def tell(runtime: Runtime, *topics: str) -> int:
    now = await runtime.db.now()
    async with runtime.db.transaction() as session:
        return await add_notices(session, {topic: {"kind": "test"} for topic in topics}, now=now)


async def test_a_topic_is_told_once(runtime: Runtime, notices: NoticeService, listener: Listener) -> None:
    first = await tell(runtime, "a", "b")
    delivered = await notices.deliver()
    second = await tell(runtime, "b", "c")

    assert (first, delivered, second) == (2, 2, 1)
    assert await notices.deliver() == 1
    assert listener.topics() == ["a", "b", "c"]
    assert listener.heard[0]["kind"] == "test"


async def test_what_is_not_taken_is_told_again_after_a_pause(
    runtime: Runtime, database: str, notices: NoticeService, listener: Listener
) -> None:
    listener.status = 503
    await tell(runtime, "a")

    refused = await notices.deliver()
    at_once = await notices.deliver()
    (row,) = await fetch(database, "SELECT * FROM notices")
    listener.status = 200
    later = await notices.deliver(now=await runtime.db.now() + timedelta(minutes=2))

    assert (refused, at_once, later) == (0, 0, 1)
    assert "status 503" in row["last_error"]
    assert row["attempts"] == 1
    assert len(set(listener.keys)) == 1


async def test_nobody_at_the_other_end_is_a_failure_without_the_url_in_it(
    runtime: Runtime, database: str, notices: NoticeService
) -> None:
    await tell(runtime, "a")

    await NoticeService(runtime.db, AlertWebhook("http://127.0.0.1:1/secret-token")).deliver()

    (row,) = await fetch(database, "SELECT last_error FROM notices")
    assert "ConnectError" in row["last_error"]
    assert "secret-token" not in row["last_error"]


async def test_a_notice_is_given_up_after_many_attempts(
    runtime: Runtime, database: str, notices: NoticeService, listener: Listener
) -> None:
    listener.status = 500
    await tell(runtime, "a")
    await execute(database, f"UPDATE notices SET attempts = {MAX_ATTEMPTS - 1}")

    await notices.deliver()

    (row,) = await fetch(database, "SELECT due_at, sent_at FROM notices")
    assert (row["due_at"], row["sent_at"]) == (None, None)


async def test_two_processes_deliver_each_notice_once(
    runtime: Runtime, notices: NoticeService, listener: Listener
) -> None:
    await tell(runtime, *(f"topic-{number:03}" for number in range(250)))

    delivered = await asyncio.gather(*(notices.deliver() for _ in range(4)))

    assert sum(delivered) == 250
    assert sorted(listener.topics()) == [f"topic-{number:03}" for number in range(250)]


async def test_an_owner_is_warned_once_per_file_and_date_and_again_when_the_date_moves(
    runtime: Runtime, database: str, store_file: StoreFile, notices: NoticeService, listener: Listener
) -> None:
    warnings = WarningService(runtime.db, DAY)
    stored = await store_file(ttl=timedelta(days=3).total_seconds())
    await store_file(category=Category.OUTPUTS)
    now = await runtime.db.now()

    early = await warnings.warn(now=now)
    in_time = await warnings.warn(now=now + 2.5 * DAY)
    again = await warnings.warn(now=now + 2.6 * DAY)
    await execute(
        database,
        "UPDATE media_files SET expires_at = expires_at + interval '1 h', due_at = due_at + interval '1 h'",
    )
    moved = await warnings.warn(now=now + 2.7 * DAY)
    await notices.deliver(now=now + 3 * DAY)

    assert (early, in_time, again, moved) == (0, 1, 0, 1)
    assert [notice["file_id"] for notice in listener.heard] == [str(stored.id)] * 2
    assert listener.heard[0]["expires_at"] < listener.heard[1]["expires_at"]


async def test_a_file_that_lives_shorter_than_the_warning_runs_ahead_is_left_out(
    runtime: Runtime, store_file: StoreFile
) -> None:
    await store_file(ttl=3600)

    assert await WarningService(runtime.db, DAY).warn() == 0


async def test_warnings_of_dates_long_past_are_forgotten(
    runtime: Runtime, database: str, store_file: StoreFile, notices: NoticeService
) -> None:
    await store_file(ttl=timedelta(days=3).total_seconds())
    now = await runtime.db.now()
    await WarningService(runtime.db, DAY).warn(now=now + 2.5 * DAY)
    await notices.deliver(now=now + 2.5 * DAY)

    await runtime.records.end(now=now + 32 * DAY)
    kept = await fetch(database, "SELECT FROM notices")
    await runtime.records.end(now=now + 34 * DAY)

    assert (len(kept), await fetch(database, "SELECT FROM notices")) == (1, [])


async def test_notices_are_signed_and_say_who_sends_them_where_the_settings_do(runtime: Runtime) -> None:
    secret = new_secret()
    async with receiving() as receiver:
        url = receiver.url.replace("://", "://us%40er:pass@")
        monitoring = MonitoringSettings(webhook_url=SecretStr(url), webhook_secret=SecretStr(secret))
        await tell(runtime, "a")
        await NoticeService(runtime.db, AlertWebhook.of(monitoring)).deliver()

    (call,) = receiver.calls
    assert Verifier(secret).verify(call.body, call.headers)["notices"][0]["topic"] == "a"
    assert call.headers["authorization"] == f"Basic {base64.b64encode(b'us@er:pass').decode()}"
    assert call.headers["idempotency-key"] == call.headers["webhook-id"]
