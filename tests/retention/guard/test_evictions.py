"""The breaker of evictions: a share of a category within an hour, and no more until somebody confirms."""

from collections.abc import AsyncIterator

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.errors import QuotaReached
from media_analysis.retention.guard.evictions import EVICTED
from media_analysis.retention.pressure import room
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings, load_settings
from media_analysis.storage.category import Category
from tests.conftest import Client, StoreFile, execute, fetch
from tests.plans import as_new, explain
from tests.retention.conftest import living, request
from tests.retention.pressure.pressure_stock import KIB, change, judged_runtime, relieve, stock, used_kib

UPLOADS = Category.UPLOADS
SCOPE = "category:uploads"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A hundred of the smallest files; above fifty, forty stay."""
    return environment | {
        "STORAGE_QUOTA_UPLOADS": "100KiB",
        "STORAGE_HIGH_WATER_UPLOADS": "50KiB",
        "STORAGE_LOW_WATER_UPLOADS": "40KiB",
        "STORAGE_QUOTA_CLIPS": "100KiB",
        "STORAGE_LOW_WATER_CLIPS": "40KiB",
        "STORAGE_DISK_HIGH_WATER_PERCENT": "100",
        "STORAGE_BREAKER_EVICTION_SHARE_PERCENT": "25",
    }


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def test_pressure_takes_its_share_of_an_hour_and_asks_before_it_takes_more(
    runtime: Runtime, database: str
) -> None:
    files = await stock(runtime, [1] * 100, category=UPLOADS)

    outcome = (await relieve(runtime.retention.pressure))[SCOPE]
    (pause,) = await runtime.deletion.pauses.list(is_open=True)
    again = (await relieve(runtime.retention.pressure))[SCOPE]

    assert (outcome.files, outcome.relieved, again.files) == (25, False, 0)
    assert await living(database) == set(files[25:])
    assert (pause.category, pause.cause, pause.files, pause.size_bytes) == (UPLOADS, PauseCause.EVICTION, 35, 35 * KIB)
    assert "25 %" in pause.reason


async def test_what_was_confirmed_goes_and_no_more(runtime: Runtime, database: str) -> None:
    await stock(runtime, [1] * 100, category=UPLOADS)
    await relieve(runtime.retention.pressure)
    (pause,) = await runtime.deletion.pauses.list(is_open=True)

    await runtime.deletion.pauses.resume(pause.id, confirm=35, by="admin")
    confirmed = (await relieve(runtime.retention.pressure))[SCOPE]
    await stock(runtime, [1] * 60, category=UPLOADS)
    further = (await relieve(runtime.retention.pressure))[SCOPE]

    assert (confirmed.files, confirmed.relieved) == (35, True)
    assert (further.files, further.relieved) == (3, False), "38 of a confirmation of 35 and a tenth"


async def test_the_next_hour_begins_anew(runtime: Runtime, database: str) -> None:
    await stock(runtime, [1] * 100, category=UPLOADS)
    await relieve(runtime.retention.pressure)
    await execute(
        database,
        "UPDATE pauses SET resumed_at = now() - interval '25 hours', resumed_by = 'admin'",
        "UPDATE tombstones SET deleted_at = now() - interval '61 minutes'",
    )
    await stock(runtime, [1] * 25, category=UPLOADS)

    outcome = (await relieve(runtime.retention.pressure))[SCOPE]

    assert outcome.files == 25


async def test_what_is_due_goes_on_being_deleted_and_bytes_given_up_go(runtime: Runtime, database: str) -> None:
    files = await stock(runtime, [1] * 100, category=UPLOADS)
    await relieve(runtime.retention.pressure)
    await change(runtime, "expires_at = now(), due_at = now()", *files[90:])

    report = await runtime.retention.sweeps.run(request())

    assert (report.files, report.paused) == (10, {})
    assert await fetch(database, "SELECT id FROM purges WHERE confirmed_at IS NULL") == []
    assert len(await living(database)) == 65


async def test_an_upload_without_room_is_told_of_the_breaker(
    runtime: Runtime, client: Client, store_file: StoreFile
) -> None:
    await stock(runtime, [1] * 100, category=UPLOADS)
    await relieve(runtime.retention.pressure)
    await stock(runtime, [1] * 25, category=UPLOADS)

    answer = await client.request("POST", "/api/v1/files?category=uploads&filename=a", content=b"x" * KIB)
    with pytest.raises(QuotaReached, match="pressure would take more than usual"):
        await store_file(b"y" * KIB)

    assert answer.status_code == 507
    assert "pressure would take more than usual" in answer.json()["detail"]
    assert "35" not in answer.json()["detail"], "what others have"


@pytest.mark.parametrize("most", [room.MOST_AT_ONCE, 2], ids=["one transaction", "many"])
async def test_an_upload_that_needs_more_than_the_share_takes_nothing_and_asks(
    runtime: Runtime, store_file: StoreFile, database: str, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(room, "MOST_AT_ONCE", most)
    files = await stock(runtime, [2] * 50, category=UPLOADS)

    with pytest.raises(QuotaReached, match="pressure would take more than usual"):
        await store_file(b"y" * 60 * KIB)
    (pause,) = await runtime.deletion.pauses.list(is_open=True)

    assert set(files) <= await living(database)
    assert (pause.cause, pause.files) == (PauseCause.EVICTION, 30)


async def test_an_upload_within_the_share_has_its_room_although_the_mark_is_not_reached(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await stock(runtime, [2] * 50, category=UPLOADS)

    stored = await store_file(b"y" * 20 * KIB)

    assert stored.id in await living(database)
    assert await used_kib(runtime, UPLOADS) <= 96


async def test_scratch_is_there_to_be_evicted(runtime: Runtime) -> None:
    await stock(runtime, [1] * 110)

    outcome = (await relieve(runtime.retention.pressure))["category:clips"]

    assert (outcome.files, outcome.relieved) == (70, True)


@pytest.mark.parametrize(("sizes_kib", "gone"), [([16] * 60, 19), ([1] * 400 + [960], 100)])
async def test_a_floor_of_files_and_of_bytes_lets_little_go_unasked(
    runtime: Runtime, database: str, sizes_kib: list[int], gone: int
) -> None:
    """Of sixty files nineteen go, more than a quarter, as long as their bytes are next to none of the quota."""
    await stock(runtime, sizes_kib, category=UPLOADS)
    quota = "UPDATE category_policies SET quota_bytes = {0}, high_water_bytes = {1}, low_water_bytes = 0"
    await execute(database, quota.format(2**30, KIB) + " WHERE category = 'uploads'")

    outcome = (await relieve(runtime.retention.pressure))[SCOPE]

    assert outcome.files == gone


async def test_no_share_is_any_share(environment: dict[str, str], database: str) -> None:
    chosen = load_settings(environ=environment | {"STORAGE_BREAKER_EVICTION_SHARE_PERCENT": "none"}).settings
    async with judged_runtime(chosen, database) as runtime:
        await stock(runtime, [1] * 100, category=UPLOADS)

        outcome = (await relieve(runtime.retention.pressure))[SCOPE]

    assert (outcome.files, outcome.relieved) == (60, True)


async def test_a_pause_of_evictions_is_told_as_what_it_is(runtime: Runtime, client: Client) -> None:
    await stock(runtime, [1] * 100, category=UPLOADS)
    await relieve(runtime.retention.pressure)

    ready = await client.request("GET", "/readyz", by=None)
    told = (await client.request("GET", "/api/v1/storage/validate", by="admin")).text
    metrics = (await client.request("GET", "/metrics", by="admin")).text
    firing = await runtime.alerts.check()

    assert (ready.status_code, ready.json()["checks"]["deletion"][:31]) == (200, "paused: only evictions: uploads")
    assert "eviction is paused in uploads" in told
    assert 'deletion_paused{category="uploads",cause="eviction"} 1.0' in metrics
    assert "alert:evictions_paused:uploads" in firing


async def test_the_evictions_of_an_hour_are_counted_by_an_index_of_theirs(runtime: Runtime, database: str) -> None:
    """Of all that went since by its date not one is looked at."""
    await execute(
        database,
        """INSERT INTO tombstones (id, owner, category, state, key, filename, media_type, created_at, deleted_at, rule,
                                   requested_by, purge_id)
            SELECT gen_random_uuid(), 'alice', 'uploads', 'stored', number, 'a', 'text/plain', now(), now(),
                'category_lifetime', 'scheduler', gen_random_uuid() FROM generate_series(1, 5000) AS number""",
        as_new("tombstones"),
    )
    asked = {"category": "uploads", "causes": ["eviction", "marks"]}
    instants = dict.fromkeys(["since", "confirmed_since"], await runtime.db.now())

    plan = await explain(runtime, EVICTED.bindparams(**asked, **instants))
    await execute(database, "DELETE FROM tombstones")

    assert "ix_tombstones_evicted" in plan.indexes
    assert plan.rows_read < 10
