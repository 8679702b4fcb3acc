"""Changed marks: whom they would evict is counted and asked about before it happens, by `policy` and at a start."""

from collections.abc import Mapping
from typing import Any

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.errors import ConfirmationNeeded
from media_analysis.policy.decision import Policy
from media_analysis.retention.pressure.changes import adopt_disk_marks
from media_analysis.retention.pressure.levels import DiskMarks
from media_analysis.runtime import Runtime
from media_analysis.settings import load_settings, policy_of_tree
from media_analysis.storage.category import Category
from tests.conftest import Client, execute
from tests.retention.conftest import living
from tests.retention.pressure.pressure_stock import (
    KIB,
    change,
    judged_runtime,
    on_small_disk,
    relieve,
    stock,
    throw_away,
)

UPLOADS = Category.UPLOADS
SCOPE = "category:uploads"
LOWER: Mapping[str, Any] = {"storage": {"quotas": {"uploads": "60KiB"}}}
STRICT = DiskMarks(reserve_bytes=0, high_percent=60, low_percent=50)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "STORAGE_QUOTA_UPLOADS": "1MiB",
        "STORAGE_DISK_HIGH_WATER_PERCENT": "100",
        "STORAGE_BREAKER_EVICTION_SHARE_PERCENT": "25",
    }


async def of_tree(runtime: Runtime, tree: Mapping[str, Any]) -> Policy:
    return policy_of_tree(tree, (await runtime.retention.policies.in_force()).policy)


@pytest.mark.parametrize(
    ("tree", "files_going"),
    [(LOWER, 46), ({"storage": {"high_water": {"uploads": "90KiB"}, "low_water": {"uploads": "54KiB"}}}, 40)],
    ids=["a quota", "marks within the shares, where dates are kept"],
)
async def test_a_preview_counts_what_marks_would_evict(
    runtime: Runtime, client: Client, tree: Mapping[str, Any], files_going: int
) -> None:
    files = await stock(runtime, [1] * 70, category=UPLOADS)
    await stock(runtime, [1] * 30, category=UPLOADS, owner="bob")
    await change(runtime, "held_until = 'infinity'", *files[:5])
    await change(runtime, "expiry_explicit = true, expires_at = now() + interval '90 days'", *files[:60])

    told = (await client.request("POST", "/api/v1/storage/policies/preview", by="admin", json=tree)).json()

    impact = told["categories"]["uploads"]
    evicted = (impact["evicted_files"], impact["evicted_bytes"], impact["passed_over_files"])
    assert evicted == (files_going, files_going * KIB, 5)
    assert {loss["owner"] for loss in impact["evicted_owners"]} <= {"alice", "bob"}
    assert sum(loss["files"] for loss in impact["evicted_owners"]) == files_going
    assert (told["needs_confirmation"], told["confirm"]) == (True, files_going)


async def test_a_priority_that_lets_marks_evict_is_counted_and_trash_is_no_loss(runtime: Runtime) -> None:
    files = await stock(runtime, [1] * 40, category=Category.OUTPUTS)
    await throw_away(runtime, *files[:4])
    outputs = {"quotas": {"outputs": "20KiB"}}
    without = await runtime.retention.policies.preview(await of_tree(runtime, {"storage": outputs}))
    priority = {"storage": outputs | {"eviction_priority": {"outputs": "1"}}}

    preview = await runtime.retention.policies.preview(await of_tree(runtime, priority))

    assert (without.evicted_files, without.needs_confirmation) == (0, False)
    assert (preview.evicted_files, preview.needs_confirmation) == (18, True)


async def test_a_policy_that_would_evict_is_applied_for_its_number_which_then_may_go(
    runtime: Runtime, database: str
) -> None:
    files = await stock(runtime, [1] * 100, category=UPLOADS)
    policy = await of_tree(runtime, LOWER)

    with pytest.raises(ConfirmationNeeded, match="46 be evicted") as asked:
        await runtime.retention.redating.apply(policy, actor="admin")
    with pytest.raises(ConfirmationNeeded):
        await runtime.retention.redating.apply(policy, actor="admin", confirm=45)
    await runtime.retention.redating.apply(policy, actor="admin", confirm=46)
    outcome = (await relieve(runtime.retention.pressure))[SCOPE]

    assert asked.value.confirm == "46"
    assert (outcome.files, outcome.relieved) == (46, True)
    assert await living(database) == set(files[46:])


async def test_a_lower_mark_at_a_start_begins_with_evictions_paused(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    files = await stock(runtime, [1] * 100, category=UPLOADS)
    lower = load_settings(environ=environment | {"STORAGE_QUOTA_UPLOADS": "60KiB"}).settings

    async with judged_runtime(lower, database) as started:
        before = (await relieve(started.retention.pressure))[SCOPE].files
        (pause,) = await started.deletion.pauses.list(is_open=True)
    async with judged_runtime(lower, database) as again:
        standing = await again.deletion.pauses.list(is_open=True)
        await again.deletion.pauses.resume(pause.id, confirm=46, by="admin")
        after = (await relieve(again.retention.pressure))[SCOPE].files

    assert (pause.category, pause.cause, pause.files) == (UPLOADS, PauseCause.MARKS, 46)
    assert [one.id for one in standing] == [pause.id], "an unchanged mark asks no second time"
    assert (before, after) == (0, 46)
    assert await living(database) == set(files[46:])


async def test_a_mark_that_evicts_nobody_or_scratch_asks_nothing(
    runtime: Runtime, environment: dict[str, str], database: str
) -> None:
    await stock(runtime, [1] * 50, category=UPLOADS)
    await stock(runtime, [1] * 50)
    changed = {"STORAGE_QUOTA_UPLOADS": "60KiB", "STORAGE_QUOTA_CLIPS": "20KiB", "STORAGE_LOW_WATER_CLIPS": "10KiB"}

    async with judged_runtime(load_settings(environ=environment | changed).settings, database) as started:
        assert await started.deletion.pauses.list(is_open=True) == []
        assert (await relieve(started.retention.pressure))["category:clips"].files == 40


async def test_a_stricter_mark_of_the_disk_pauses_what_it_would_evict(runtime: Runtime, database: str) -> None:
    uploads = await stock(runtime, [10] * 8, category=UPLOADS)
    await stock(runtime, [5], category=Category.TEMP)
    store = on_small_disk(runtime, 100).store
    lax = DiskMarks(reserve_bytes=0, high_percent=90, low_percent=85)

    for marks in (lax, STRICT, STRICT):
        await adopt_disk_marks(runtime.db, store, marks)
    (pause,) = await runtime.deletion.pauses.list(is_open=True)
    outcome = (await relieve(on_small_disk(runtime, 100)))["disk"]

    assert (pause.category, pause.cause, pause.files) == (UPLOADS, PauseCause.MARKS, 3)
    assert (outcome.files, await living(database)) == (1, set(uploads)), "what is temporary goes as ever"


async def test_marks_nobody_remembers_ask_nothing(runtime: Runtime, database: str) -> None:
    await execute(database, "UPDATE instance SET disk_high_percent = NULL")
    await stock(runtime, [10] * 8, category=UPLOADS)

    await adopt_disk_marks(runtime.db, on_small_disk(runtime, 100).store, STRICT)

    assert await runtime.deletion.pauses.list(is_open=True) == []
