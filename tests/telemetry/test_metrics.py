"""Metrics: the names operators were promised, counted where it happens."""

import re
from collections.abc import Mapping

import pytest
from sqlalchemy import text

from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import Client, execute

OVERDUE = "UPDATE media_files SET expires_at = now() - interval '2 h', due_at = now() - interval '2 h'"


async def scrape(client: Client) -> Mapping[str, float]:
    """Return every sample by its name and labels."""
    answer = await client.request("GET", "/metrics", by=None)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", answer.text, re.MULTILINE)
    return {name: float(value) for name, value in samples}


async def test_every_promised_metric_is_there(client: Client) -> None:
    await client.upload()

    names = {name.partition("{")[0] for name in await scrape(client)}

    assert names >= {
        "storage_bytes",
        "storage_files",
        "storage_quota_bytes",
        "quota_used_ratio",
        "deletion_paused",
        "storage_free_bytes",
        "storage_due_lag_seconds",
        "sweep_seconds_count",
        "purge_dead_letters",
        "database_pool_connections",
        "http_request_seconds_count",
    }


async def test_storage_is_told_from_the_ledger_for_every_category(client: Client) -> None:
    await client.upload(b"12345", category="temp")

    samples = await scrape(client)

    assert samples['storage_bytes{category="temp"}'] == 5
    assert samples['storage_files{category="temp"}'] == 1
    assert {f'storage_files{{category="{category}"}}' for category in Category} <= set(samples)
    assert samples['storage_due_lag_seconds{category="temp"}'] == 0


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_sweep_is_counted_and_a_rehearsal_is_not(
    client: Client, runtime: Runtime, database: str, *, dry_run: bool
) -> None:
    await client.upload(b"12345", category="temp")
    await execute(database, OVERDUE)
    before = await scrape(client)

    await runtime.retention.sweeps.run(SweepRequest(trigger=SweepTrigger.API, actor="test", dry_run=dry_run))
    after = await scrape(client)

    counted = 0 if dry_run else 1
    assert before['storage_due_lag_seconds{category="temp"}'] >= 7200
    assert after.get('files_cleaned_total{category="temp"}', 0) == counted
    assert after.get('bytes_freed_total{category="temp"}', 0) == 5 * counted
    assert after.get('sweeps_total{status="completed"}', 0) == counted
    assert after["sweep_seconds_count"] == counted
    assert after['storage_files{category="temp"}'] == 1 - counted


async def test_requests_are_counted_by_route_and_never_by_path(client: Client) -> None:
    file_id = (await client.upload())["id"]
    await client.request("GET", f"/api/v1/files/{file_id}")
    await client.request("GET", "/no/such/place")

    samples = await scrape(client)

    told = {name: value for name, value in samples.items() if name.startswith("http_request_seconds_count")}
    read = [value for name, value in told.items() if name.endswith('/files/{file_id}",status="200"}')]
    assert read == [1]
    assert told['http_request_seconds_count{method="GET",route="unmatched",status="404"}'] == 1
    assert not any(file_id in name for name in samples)


async def test_the_pool_tells_how_many_connections_are_in_use(client: Client, runtime: Runtime) -> None:
    async with runtime.db.read_only() as session:
        await session.execute(text("SELECT 1"))
        samples = await scrape(client)

    assert samples['database_pool_connections{state="in_use"}'] == 1
    assert samples['database_pool_connections{state="idle"}'] >= 0


async def test_pauses_are_told_for_every_category_and_cause(client: Client, runtime: Runtime) -> None:
    before = await scrape(client)
    await runtime.deletion.pauses.pause(category=Category.TEMP, reason="strange", by="admin")
    everywhere = await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")
    paused = await scrape(client)
    await runtime.deletion.pauses.resume(everywhere.id, confirm=0, by="admin")

    after = await scrape(client)

    def standing(samples: Mapping[str, float]) -> set[str]:
        return {name for name, value in samples.items() if name.startswith("deletion_paused{") and value == 1}

    temp, everything = (f'deletion_paused{{category="{scope}",cause="operator"}}' for scope in ("temp", "all"))
    assert before[everything] == before['deletion_paused{category="uploads",cause="share"}'] == 0
    assert standing(before) == set()
    assert standing(paused) == {temp, everything}
    assert standing(after) == {temp}


async def test_trips_are_counted_where_they_happen(client: Client, runtime: Runtime, database: str) -> None:
    await execute(database, "UPDATE instance SET clock_seen_at = now() + interval '1 day'")

    await runtime.retention.clock.check()
    await runtime.retention.clock.check()

    assert (await scrape(client))['breaker_trips_total{cause="clock"}'] == 1


async def test_the_share_of_a_quota_follows_the_policy_in_force(client: Client, database: str) -> None:
    await client.upload(b"12345", category="temp")
    await execute(database, "UPDATE category_policies SET quota_bytes = 20 WHERE category = 'temp'")
    limited = await scrape(client)
    await execute(database, "UPDATE category_policies SET quota_bytes = NULL WHERE category = 'temp'")

    unlimited = await scrape(client)

    assert limited['quota_used_ratio{category="temp"}'] == 0.25
    assert limited['storage_quota_bytes{category="temp"}'] == 20
    assert 'quota_used_ratio{category="temp"}' not in unlimited
    assert 'storage_quota_bytes{category="temp"}' not in unlimited
