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

    await runtime.sweeps.run(SweepRequest(trigger=SweepTrigger.API, requested_by="test", dry_run=dry_run))
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
