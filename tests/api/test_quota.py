"""507 over HTTP: how much is missing, and when space frees."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import httpx
import pytest

from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.api.answers import problem_in
from tests.api.conftest import Remains
from tests.conftest import Client, execute, fetch
from tests.retention.pressure.pressure_stock import CLIPS, KIB, change, judged_runtime, stock


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS | {"STORAGE_QUOTA_OUTPUTS": "100KiB"}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def ask(client: Client, category: str, size_kib: int, *, by: str = "alice") -> httpx.Response:
    query = {"category": category, "filename": "file.bin"}
    return await client.request("POST", "/api/v1/files", by=by, params=query, content=bytes(size_kib * KIB))


async def upload(client: Client, category: str, size_kib: int) -> tuple[int, dict[str, object]]:
    answer = await ask(client, category, size_kib)
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

    answer = await ask(client, "outputs", 60, by="admin")

    problem = problem_in(answer)
    assert (answer.status_code, problem["code"], problem["category"]) == (507, "quota_reached", "outputs")
    assert (problem["quota_bytes"], problem["used_bytes"], problem["owned_bytes"]) == (100 * KIB, 90 * KIB, 0)
    assert (problem["needed_bytes"], problem["missing_bytes"]) == (60 * KIB, 50 * KIB)
    assert datetime.fromisoformat(str(problem["space_frees_at"])) == noon + timedelta(hours=2)
    assert problem["own_space_frees_at"] is None
    assert answer.headers["retry-after"] == "7200"
    assert await remains() == before


async def test_a_user_is_told_of_their_own_share_and_of_nothing_that_others_have(
    runtime: Runtime, client: Client
) -> None:
    for_ever = await stock(runtime, [30], owner="bob", category=Category.OUTPUTS)
    await change(runtime, "expires_at = NULL, due_at = NULL", *for_ever)
    own = await stock(runtime, [60], owner="alice", category=Category.OUTPUTS)
    due = (await runtime.db.now() + timedelta(hours=5)).isoformat()
    await change(runtime, f"expires_at = '{due}', due_at = '{due}'", *own)

    alice, bob = [await ask(client, "outputs", 40, by=by) for by in ("alice", "bob")]

    mine, theirs = problem_in(alice), problem_in(bob)
    told = {"category", "quota_bytes", "owned_bytes", "needed_bytes", "own_space_frees_at", "paused"}
    assert mine.keys() - {"type", "title", "status", "detail", "code"} == told
    assert (mine["owned_bytes"], mine["needed_bytes"]) == (60 * KIB, 40 * KIB)
    assert datetime.fromisoformat(mine["own_space_frees_at"]) == datetime.fromisoformat(due)
    assert (theirs["owned_bytes"], theirs["own_space_frees_at"]) == (30 * KIB, None)
    assert [answer.headers["retry-after"] for answer in (alice, bob)] == ["18000"] * 2


async def test_a_user_is_told_that_deletion_is_paused_and_no_figures_of_others(
    runtime: Runtime, client: Client, database: str
) -> None:
    await stock(runtime, [90], owner="bob")
    (own,) = await stock(runtime, [5], owner="alice")
    await execute(
        database,
        "INSERT INTO pauses (id, category, cause, reason, files, size_bytes, paused_at, paused_by) VALUES"
        " (gen_random_uuid(), 'clips', 'eviction', '31415 of 40000 files', 31415, 9, now(), 'breaker')",
    )
    path = f"/api/v1/files/{own}/retention"

    refused = problem_in(await ask(client, "clips", 20))
    by_user, by_admin = [(await client.request("GET", path, by=by)).json() for by in ("alice", "admin")]

    assert refused["paused"] == "pressure would take more than usual"
    assert "31415" not in str([refused["detail"], by_user])
    assert "31415 of 40000 files" in str(by_admin)


async def test_no_date_is_promised_where_none_is_in_sight(runtime: Runtime, client: Client) -> None:
    outputs = await stock(runtime, [90], category=Category.OUTPUTS)
    await change(runtime, "expires_at = NULL, due_at = NULL", *outputs)

    status, problem = await upload(client, "outputs", 20)

    assert (status, problem["own_space_frees_at"]) == (507, None)


async def test_a_file_larger_than_its_quota_never_fits(runtime: Runtime, client: Client, remains: Remains) -> None:
    await stock(runtime, [90])
    before = await remains()

    status, problem = await upload(client, "clips", 101)

    assert (status, problem["code"], problem["own_space_frees_at"]) == (507, "quota_reached", None)
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
