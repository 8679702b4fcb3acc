"""507 over HTTP: how much is missing, and when space frees."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.api.conftest import Remains
from tests.conftest import Client, fetch
from tests.retention.pressure.pressure_stock import CLIPS, KIB, change, judged_runtime, stock


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS | {"STORAGE_QUOTA_OUTPUTS": "100KiB"}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def upload(client: Client, category: str, size_kib: int) -> tuple[int, dict[str, object]]:
    query = {"category": category, "filename": "file.bin"}
    answer = await client.request("POST", "/api/v1/files", params=query, content=bytes(size_kib * KIB))
    return answer.status_code, answer.json()


async def test_a_full_category_says_what_is_missing_and_when_space_frees(
    runtime: Runtime, client: Client, remains: Remains
) -> None:
    outputs = await stock(runtime, [40, 50], category=Category.OUTPUTS)
    noon = await runtime.db.now()
    for hours, file_id in enumerate(outputs, start=1):
        due = (noon + timedelta(hours=hours)).isoformat()
        await change(runtime, f"expires_at = '{due}', due_at = '{due}'", file_id)
    before = await remains()

    status, problem = await upload(client, "outputs", 60)

    assert status == 507
    assert (problem["code"], problem["category"]) == ("quota_reached", "outputs")
    assert (problem["quota_bytes"], problem["used_bytes"]) == (100 * KIB, 90 * KIB)
    assert (problem["needed_bytes"], problem["missing_bytes"]) == (60 * KIB, 50 * KIB)
    assert datetime.fromisoformat(str(problem["space_frees_at"])) == noon + timedelta(hours=2)
    assert await remains() == before


async def test_no_date_is_promised_where_none_is_in_sight(runtime: Runtime, client: Client) -> None:
    outputs = await stock(runtime, [90], category=Category.OUTPUTS)
    await change(runtime, "expires_at = NULL, due_at = NULL", *outputs)

    status, problem = await upload(client, "outputs", 20)

    assert (status, problem["missing_bytes"], problem["space_frees_at"]) == (507, 10 * KIB, None)


async def test_a_file_larger_than_its_quota_never_fits(runtime: Runtime, client: Client, remains: Remains) -> None:
    await stock(runtime, [90])
    before = await remains()

    status, problem = await upload(client, "clips", 101)

    assert (status, problem["code"], problem["space_frees_at"]) == (507, "quota_reached", None)
    assert await remains() == before


async def test_an_upload_into_a_full_category_that_may_evict_is_stored(
    runtime: Runtime, client: Client, database: str
) -> None:
    clips = await stock(runtime, [50, 50])

    status, stored = await upload(client, "clips", 30)

    gone = await client.request("GET", f"/api/v1/files/{clips[0]}")
    assert status == 201
    assert stored["size_bytes"] == 30 * KIB
    assert (gone.status_code, gone.json()["rule"]) == (410, "pressure")
    assert [row["id"] for row in await fetch(database, "SELECT id FROM tombstones")] == [clips[0]]


async def test_an_upload_without_a_length_meets_the_same_answer(
    runtime: Runtime, client: Client, remains: Remains
) -> None:
    outputs = await stock(runtime, [90], category=Category.OUTPUTS)
    await change(runtime, "expires_at = NULL, due_at = NULL", *outputs)
    before = await remains()

    async def body() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield bytes(10 * KIB)

    query = {"category": "outputs", "filename": "file.bin"}
    answer = await client.request("POST", "/api/v1/files", params=query, content=body())

    assert (answer.status_code, answer.json()["code"]) == (507, "quota_reached")
    assert await remains() == before
