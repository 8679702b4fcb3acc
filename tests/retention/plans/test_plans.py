"""A plan names what a sweep would take, and applied takes just that, whatever happened in between."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from media_analysis.deletion.deleter import Deleter, Purged
from media_analysis.deletion.tombstones import Claim
from media_analysis.errors import (
    DeletionPaused,
    MarkerMismatch,
    PlanApplied,
    PlanExpired,
    PlanHashDiffers,
    PlanNotFound,
)
from media_analysis.retention.models import Plan, SweepStatus, SweepTrigger
from media_analysis.retention.plans.applying import MOST_DRIFT
from media_analysis.retention.records import SweepReport
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.retention.conftest import CONTENT, FUTURE, Plant, buried, living, sweep


class Torn(Deleter):
    """A deleter whose store vanishes before the bytes go."""

    async def purge(self, claim: Claim) -> Purged:
        raise MarkerMismatch(f"lost before {claim.purge_id}")


DAY = "now() + interval '1 day'"
THROWN = (
    "state = 'trashed', trashed_at = now(), trash_ends_at = now() + interval '9 days', trash_rule = 'requested',"
    " trashed_by = 'alice', version = version + 1"
)
LEDGER = "UPDATE ledger SET trashed_files = trashed_files + 1, trashed_bytes = trashed_bytes + 7"
PAUSE = (
    "INSERT INTO pauses (id, category, cause, reason, files, size_bytes, paused_at, paused_by)"
    f" VALUES ('{uuid4()}', 'temp', 'operator', 'wait', 0, 0, now(), 'admin')"
)


async def create(runtime: Runtime, *categories: Category, now: datetime | None = None) -> Plan:
    return await runtime.retention.plans.create(categories or tuple(Category), actor="admin", now=now)


async def apply(runtime: Runtime, plan: Plan, **about: Any) -> SweepReport:
    return await runtime.retention.applying.apply(plan.id, **{"digest": plan.hash, "actor": "admin", **about})


async def planned(database: str, plan: Plan) -> set[UUID]:
    return {
        row["file_id"] for row in await fetch(database, "SELECT file_id FROM plan_files WHERE plan_id = $1", plan.id)
    }


def drift(report: SweepReport) -> dict[UUID, str]:
    return {UUID(part["file_id"]): part["reason"] for part in report.details["drift"]}


async def test_a_plan_and_a_sweep_over_the_same_state_name_the_same_files(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(30) + await plant(4, owner="bob", category=Category.CLIPS, explicit=False)
    held, *rest = due
    await plant(10, ends_in=FUTURE)
    await execute(database, f"UPDATE media_files SET held_until = now() + interval '1 day' WHERE id = '{held}'")

    plan = await create(runtime)
    report = await sweep(runtime)

    assert await planned(database, plan) == set(rest) == await buried(database)
    assert (plan.files, plan.size_bytes) == (report.files, report.size_bytes)
    assert plan.categories["temp"] == {"files": 29, "bytes": 29 * len(CONTENT)}
    assert plan.categories["outputs"] == {"files": 0, "bytes": 0}


async def test_a_plan_is_one_moment_while_others_upload_and_extend(
    runtime: Runtime, plant: Plant, store_file: StoreFile, database: str
) -> None:
    """What the sweep right after it takes beside or without the plan is what changed in between."""
    due = await plant(200)

    async def live() -> None:
        for number in range(10):
            await store_file(filename=str(number))
            ends_at = f"expires_at = {DAY}, due_at = {DAY}, version = version + 1"
            await execute(database, f"UPDATE media_files SET {ends_at} WHERE id = '{due[number]}'")

    plan, _ = await asyncio.gather(create(runtime), live())
    report = await apply(runtime, plan)

    assert await planned(database, plan) <= set(due)
    assert await buried(database) == await planned(database, plan) - drift(report).keys()
    assert set(due[10:]) == await buried(database)
    assert set(drift(report).values()) <= {"changed"}


async def test_the_hash_is_that_of_the_policy_and_its_sorted_files(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    await plant(3)

    plan = await create(runtime)
    again = await create(runtime)
    await execute(database, f"UPDATE media_files SET version = version + 1 WHERE id = '{(await plant(1))[0]}'")
    other = await create(runtime)

    rows = await fetch(database, "SELECT *, rule::text FROM plan_files WHERE plan_id = $1 ORDER BY file_id", plan.id)
    lines = [f"{row['file_id']} {row['version']} {row['size_bytes']} {row['rule']}\n" for row in rows]
    assert plan.hash == hashlib.sha256((f"{plan.policy_version}\n" + "".join(lines)).encode()).hexdigest()
    assert again.hash == plan.hash != other.hash


async def test_making_a_plan_changes_nothing_else(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(10)
    tables = ("media_files", "tombstones", "purges", "ledger", "category_usage", "due_days", "sweeps")
    rows = {table: await fetch(database, f"SELECT *, xmin::text FROM {table} ORDER BY 1") for table in tables}

    await create(runtime)

    assert rows == {table: await fetch(database, f"SELECT *, xmin::text FROM {table} ORDER BY 1") for table in tables}


async def test_an_applied_plan_takes_exactly_its_files(runtime: Runtime, plant: Plant, database: str) -> None:
    due = await plant(10)
    plan = await create(runtime, Category.TEMP)
    new = await plant(2) + await plant(2, category=Category.CLIPS)

    report = await replace(runtime.retention.applying, batch_size=3).apply(plan.id, digest=plan.hash, actor="admin")
    found, status = await runtime.retention.plans.get(plan.id)

    remembered = await runtime.retention.sweeps.get(report.id)
    assert await buried(database) == set(due)
    assert await living(database) == set(new)
    assert (report.files, report.status, drift(report)) == (10, SweepStatus.COMPLETED, {})
    assert (remembered.trigger, remembered.plan_id) == (SweepTrigger.PLAN, plan.id)
    assert (found.applied_at, found.sweep_id, status) == (report.started_at, report.id, SweepStatus.COMPLETED)
    stones = await fetch(database, "SELECT DISTINCT sweep_id, requested_by, policy_version FROM tombstones")
    assert [tuple(stone) for stone in stones] == [(report.id, "admin", plan.policy_version)]


async def test_files_that_are_no_longer_what_they_were_stay_and_are_told(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    extended, held, deleted, job_held, kept, *rest = await plant(9)
    plan = await create(runtime)
    await execute(
        database,
        f"UPDATE media_files SET expires_at = {DAY}, due_at = {DAY}, version = version + 1 WHERE id = '{extended}'",
        f"UPDATE media_files SET held_until = 'infinity', due_at = NULL, version = version + 1 WHERE id = '{held}'",
        f"UPDATE media_files SET job_held_until = {DAY}, version = version + 1 WHERE id = '{job_held}'",
        f"UPDATE media_files SET leased_until = {DAY} WHERE id = '{kept}'",
    )
    await delete_file(runtime, deleted, owner=None, actor="admin", hard=True)

    report = await apply(runtime, plan)

    assert drift(report) == {
        extended: "changed",
        held: "held",
        deleted: "gone",
        job_held: "held",
        kept: "kept",
    }
    assert report.details["drift_files"] == 5
    assert await buried(database) == {deleted, *rest}
    assert (await runtime.retention.sweeps.get(report.id)).details == report.details


async def test_drift_is_counted_in_full_and_told_in_part(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(MOST_DRIFT + 5)
    plan = await create(runtime)
    await execute(database, "UPDATE media_files SET version = version + 1")

    report = await apply(runtime, plan)

    assert (len(report.details["drift"]), report.details["drift_files"]) == (MOST_DRIFT, MOST_DRIFT + 5)
    assert report.files == 0


async def test_a_plan_is_applied_once_however_many_ask(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(50)
    plan = await create(runtime)

    outcomes = await asyncio.gather(*(apply(runtime, plan) for _ in range(4)), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["PlanApplied"] * 3, "SweepReport"]
    assert len(await fetch(database, "SELECT FROM sweeps")) == 1


async def test_a_plan_that_is_not_confirmed_in_time_or_word_is_refused(runtime: Runtime, plant: Plant) -> None:
    await plant(1)
    plan = await create(runtime)

    with pytest.raises(PlanHashDiffers):
        await apply(runtime, plan, digest="0" * 64)
    with pytest.raises(PlanExpired):
        await apply(runtime, plan, now=plan.expires_at)
    with pytest.raises(PlanNotFound):
        await runtime.retention.applying.apply(uuid4(), digest=plan.hash, actor="admin")
    report = await apply(runtime, plan, now=plan.expires_at - timedelta(microseconds=1))
    with pytest.raises(PlanApplied):
        await apply(runtime, plan)

    assert plan.expires_at == plan.created_at + timedelta(hours=24)
    assert report.files == 1


async def test_a_pause_stands_in_the_way_and_spends_nothing(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(3)
    plan = await create(runtime)
    await execute(database, PAUSE)

    with pytest.raises(DeletionPaused):
        await apply(runtime, plan)
    await execute(database, "UPDATE pauses SET resumed_at = now()")

    assert (await apply(runtime, plan)).files == 3


async def test_a_store_that_is_not_there_spends_nothing(runtime: Runtime, plant: Plant) -> None:
    await plant(3)
    plan = await create(runtime)
    marker = disk_of(runtime.store).root / MARKER_NAME
    marker.rename(marker.with_suffix(".away"))

    with pytest.raises(MarkerMismatch):
        await apply(runtime, plan)
    marker.with_suffix(".away").rename(marker)

    assert (await apply(runtime, plan)).files == 3


async def test_a_plan_that_broke_off_says_so_and_leaves_the_rest_to_the_sweep(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    ids = await plant(10)
    plan = await create(runtime)
    torn = replace(runtime.retention.applying, batch_size=4, deleter=Torn(**vars(runtime.deletion.deleter)))

    with pytest.raises(MarkerMismatch):
        await torn.apply(plan.id, digest=plan.hash, actor="admin")
    _, status = await runtime.retention.plans.get(plan.id)
    taken = await buried(database)
    with pytest.raises(PlanApplied):
        await apply(runtime, plan)
    await execute(database, "UPDATE purges SET due_at = now() - interval '1 s' WHERE due_at IS NOT NULL")
    rest = await sweep(runtime)

    assert status is SweepStatus.FAILED
    assert len(taken) == 4
    assert rest.files == 10
    assert await buried(database) == set(ids)


class TestTrash:
    """Plans of a service that deletes by way of the trash."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft"}

    async def test_an_applied_plan_can_be_undone(self, runtime: Runtime, plant: Plant, database: str) -> None:
        ids = await plant(5, category=Category.UPLOADS)
        plan = await create(runtime)

        report = await apply(runtime, plan)
        undone = await runtime.retention.trash.undo(report.id, actor="admin")

        assert (report.files, report.files_trashed) == (0, 5)
        assert undone == (5, 0)
        assert await living(database) == set(ids)

    async def test_what_went_to_the_trash_or_came_back_from_it_drifts(
        self, runtime: Runtime, plant: Plant, database: str
    ) -> None:
        trashed, restored, ended = await plant(3, category=Category.UPLOADS)
        await sweep(runtime)
        await runtime.retention.trash.restore(trashed, owner=None, actor="admin")
        later = await runtime.db.now() + timedelta(days=8)
        plan = await create(runtime, now=later)

        await runtime.retention.trash.restore(restored, owner=None, actor="admin", now=later)
        await execute(database, f"UPDATE media_files SET {THROWN} WHERE id = '{trashed}'", LEDGER)
        report = await apply(runtime, plan, now=later)

        assert drift(report) == {trashed: "gone", restored: "changed"}
        assert await buried(database) == {ended}
