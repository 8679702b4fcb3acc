"""For probes and Prometheus: alive, ready, metrics, without a token."""

import asyncio
import json
import re
from dataclasses import replace
from uuid import uuid4

import pytest

from media_analysis.api.routes import health
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.store import RemoteStore
from tests.api.conftest import Expire
from tests.conftest import Client, execute
from tests.disks import disk_of
from tests.s3 import ENVIRONMENT, options_for


async def metrics(client: Client) -> dict[str, float]:
    """Return every sample by its name and labels."""
    answer = await client.request("GET", "/metrics", by=None)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


async def test_the_service_is_alive_and_ready_without_a_token(client: Client, runtime: Runtime) -> None:
    alive = await client.request("GET", "/healthz", by=None)
    ready = await client.request("GET", "/readyz", by=None)

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200
    assert ready.json() == {
        "ready": True,
        "instance_id": str(runtime.store.instance_id),
        "checks": {
            "database": "ok",
            "marker": "ok",
            "disk": "ok",
            "process": "ok",
            "deletion": "ok",
            "eviction": "ok",
        },
    }


async def test_another_databases_marker_makes_it_unready_but_not_dead(client: Client, runtime: Runtime) -> None:
    marker = disk_of(runtime.store).root / ".media-analysis"
    own = marker.read_text()
    marker.write_text(json.dumps({"instance_id": str(uuid4())}))

    ready = await client.request("GET", "/readyz", by=None)
    alive = await client.request("GET", "/healthz", by=None)
    marker.write_text(own)

    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert "marker names another database" in ready.json()["checks"]["marker"]
    assert alive.status_code == 200
    assert (await client.request("GET", "/readyz", by=None)).status_code == 200


async def test_paused_deletion_is_told_and_leaves_the_service_ready(client: Client, runtime: Runtime) -> None:
    everywhere = await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")
    await runtime.deletion.pauses.pause(category=Category.CLIPS, reason="strange clips", by="admin")

    paused = await client.request("GET", "/readyz", by=None)
    await runtime.deletion.pauses.resume_all(confirm=0, by="admin")
    resumed = await client.request("GET", "/readyz", by=None)

    said = paused.json()["checks"]["deletion"]
    assert (paused.status_code, paused.json()["ready"]) == (200, True)
    assert said.startswith("paused: ")
    assert f"backup (since {everywhere.paused_at:%Y-%m-%dT%H:%M:%SZ})" in said
    assert "clips: strange clips (since " in said
    assert resumed.json()["checks"]["deletion"] == "ok"


class TestWithoutCleanup:
    """A service whose operator switched cleanup off."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_CLEANUP_ENABLED": "false", "STORAGE_MONITORING_METRICS_ENABLED": "false"}

    async def test_eviction_is_off_too_and_that_is_told(self, client: Client, runtime: Runtime) -> None:
        ready = await client.request("GET", "/readyz", by=None)

        assert not runtime.retention.pressure.evicts
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert ready.json()["checks"]["eviction"] == "off: storage.cleanup.enabled is false"
        assert any(said.startswith("nothing is evicted") for said in await validation(client))

    async def test_metrics_that_are_switched_off_are_not_there(self, client: Client) -> None:
        assert (await client.request("GET", "/metrics", by=None)).status_code == 404


async def validation(client: Client) -> list[str]:
    answer = (await client.request("GET", "/api/v1/storage/validate", by="admin")).json()
    assert answer["valid"] is not bool(answer["messages"])
    messages: list[str] = answer["messages"]
    return messages


async def test_validation_says_what_is_paused_why_and_how_it_goes_on(client: Client, runtime: Runtime) -> None:
    pause = await runtime.deletion.pauses.pause(category=Category.CLIPS, reason="strange clips", by="admin")

    (message,) = await validation(client)
    await runtime.deletion.pauses.resume(pause.id, confirm=0, by="admin")

    assert message.startswith("deletion is paused in clips since ")
    assert message.endswith(
        f": strange clips; if that is well, resume it with: media-analysis resume {pause.id} --confirm 0"
    )
    assert await validation(client) == []


async def test_validation_tells_of_a_wrong_marker_and_of_what_is_paused(client: Client, runtime: Runtime) -> None:
    marker = disk_of(runtime.store).root / ".media-analysis"
    marker.rename(marker.with_suffix(".away"))
    await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")

    messages = await validation(client)
    marker.with_suffix(".away").rename(marker)

    assert messages[0].startswith("the store is not the one this database belongs to: ")
    assert "deletion is paused everywhere since" in messages[1]


@pytest.mark.parametrize(
    ("size", "said"),
    [(100, []), (101, ["high-water mark of 100"]), (201, ["quota of 200"])],
    ids=["in", "high", "over"],
)
async def test_validation_tells_what_is_above_its_marks(
    client: Client, database: str, size: int, said: list[str]
) -> None:
    await client.upload(bytes(size), category="temp")
    await execute(
        database, "UPDATE category_policies SET quota_bytes = 200, high_water_bytes = 100 WHERE category = 'temp'"
    )

    messages = await validation(client)

    assert messages == [f"temp holds {size} bytes, over its {words}" for words in said]


NAMES = {
    "storage_bytes",
    "storage_files",
    "files_cleaned_total",
    "bytes_freed_total",
    "sweep_seconds_count",
    "storage_due_lag_seconds",
    "purge_dead_letters",
    "database_pool_connections",
    "http_request_seconds_bucket",
}


async def test_metrics_are_told_while_the_bucket_is_away(runtime: Runtime) -> None:
    nowhere = options_for({**ENVIRONMENT, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, retry_seconds=60.0)
    store = RemoteStore.at(RemoteAddress.parse("s3://away"), runtime.store.instance_id, nowhere)

    async with asyncio.timeout(40):
        answer = await health.metrics(replace(runtime, store=store))

    assert b'storage_bytes{category="uploads"} 0.0' in answer.body
    assert b'records_ended{kind="quarantine"} 0.0' in answer.body


async def test_metrics_follow_what_happens(client: Client, expire: Expire) -> None:
    await client.upload(b"12345", category="temp")
    await expire(await client.upload(b"1234567", category="clips"))
    before = await metrics(client)
    await client.request("POST", "/api/v1/storage/cleanup", by="admin")
    rehearsed = await metrics(client)
    await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")

    after = await metrics(client)

    assert {re.sub(r"\{.*", "", name) for name in after} >= NAMES
    assert before['storage_bytes{category="temp"}'] == 5
    assert before['storage_files{category="clips"}'] == 1
    assert before['storage_due_lag_seconds{category="clips"}'] >= 1
    assert before['storage_due_lag_seconds{category="temp"}'] == 0
    assert 'files_cleaned_total{category="clips"}' not in rehearsed
    assert after['files_cleaned_total{category="clips"}'] == 1
    assert after['bytes_freed_total{category="clips"}'] == 7
    assert after['storage_files{category="clips"}'] == 0
    assert after['storage_due_lag_seconds{category="clips"}'] == 0
    assert after["sweep_seconds_count"] == 1
    assert after["purge_dead_letters"] == 0


async def test_latency_is_counted_by_route_and_never_by_what_a_client_invents(client: Client) -> None:
    file = await client.upload()
    await client.request("GET", f"/api/v1/files/{file['id']}")
    await client.request("GET", "/hunter2")
    await client.request("HUNTER2", "/healthz")

    found = "\n".join(await metrics(client))

    assert 'route="/api/v1/files/{file_id}",status="200"' in found
    assert 'route="unmatched",status="404"' in found
    assert file["id"] not in found
    assert "hunter2" not in found.lower()
