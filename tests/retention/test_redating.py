"""Applying a policy: stored files get its dates, whatever happens meanwhile."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from media_analysis.errors import ConfirmationNeeded
from media_analysis.policy.decision import Policy
from media_analysis.retention.redating import Applied, RedatingService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.retention.conftest import Plant, buried, sweep
from tests.retention.test_policies import changed

DAY = timedelta(days=1)
FRAMES, OUTPUTS = Category.FRAMES, Category.OUTPUTS
LAGGING = """
    SELECT count(*) FROM media_files JOIN category_policies USING (category)
    WHERE state = 'stored' AND (
        (NOT expiry_explicit AND expires_at IS DISTINCT FROM stored_at + make_interval(secs => lifetime_seconds))
        OR min_retain_until IS DISTINCT FROM stored_at + make_interval(secs => minimum_seconds)
        OR due_at IS DISTINCT FROM CASE WHEN expires_at IS NOT NULL
            THEN nullif(greatest(expires_at, min_retain_until, held_until, job_held_until), 'infinity') END
    )
"""
COUNTED_BY_DAY = """
    SELECT category, stored_on, due_on, sum(files) AS files, sum(size_bytes) AS size_bytes FROM due_days
    GROUP BY 1, 2, 3 HAVING sum(files) <> 0 ORDER BY 1, 2, 3
"""
TRULY_BY_DAY = """
    SELECT category, CASE WHEN NOT expiry_explicit THEN (stored_at AT TIME ZONE 'UTC')::date END AS stored_on,
        (due_at AT TIME ZONE 'UTC')::date AS due_on, count(*) AS files, sum(size_bytes) AS size_bytes
    FROM media_files GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class Broken(Exception):
    """What breaks a run off."""


async def lagging(database: str) -> int:
    """Return how many stored files do not have the dates that the policy in force gives them."""
    ((count,),) = await fetch(database, LAGGING)
    return int(count)


async def other_policy(runtime: Runtime, **rules: dict[str, Any]) -> Policy:
    in_force = (await runtime.retention.policies.in_force()).policy
    return changed(in_force, {Category(name): rule for name, rule in rules.items()})


def applying(runtime: Runtime, **options: Any) -> RedatingService:
    return replace(runtime.retention.redating, **{"batch_size": 7} | options)


async def apply(runtime: Runtime, policy: Policy, **about: Any) -> Applied:
    return await applying(runtime).apply(policy, actor="test", **about)


async def test_stored_files_get_the_dates_of_the_policy(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    for number in range(20):
        await store_file(bytes(number), category=FRAMES if number % 2 else OUTPUTS)
    dated = await store_file(category=OUTPUTS, ttl=3600)
    untouched = await store_file()
    policy = await other_policy(runtime, frames={"lifetime": None, "minimum": DAY}, outputs={"lifetime": 3 * DAY})

    applied = await apply(runtime, policy)
    rows = {row["id"]: row for row in await fetch(database, "SELECT id, expires_at, version FROM media_files")}

    assert applied.files == {FRAMES: 10, OUTPUTS: 10}
    assert await lagging(database) == 0
    assert (await runtime.retention.policies.in_force()).policy == policy
    assert (rows[dated.id]["expires_at"], rows[dated.id]["version"]) == (dated.expires_at, 1)
    assert rows[untouched.id]["version"] == 1
    assert sum(row["version"] == 2 for row in rows.values()) == 20


async def test_the_sums_by_day_follow(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    for number in range(9):
        await store_file(bytes(number), category=FRAMES)

    await apply(runtime, await other_policy(runtime, frames={"lifetime": 2 * DAY}))

    assert await fetch(database, COUNTED_BY_DAY) == await fetch(database, TRULY_BY_DAY)


async def test_held_files_move_and_are_due_no_earlier_while_trashed_ones_stay(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    held, by_job, released, trashed = [await store_file(category=FRAMES) for _ in range(4)]
    await execute(
        database,
        f"UPDATE media_files SET held_until = 'infinity', due_at = NULL WHERE id = '{held.id}'",
        f"UPDATE media_files SET job_held_until = 'infinity', due_at = NULL WHERE id = '{by_job.id}'",
        f"UPDATE media_files SET held_until = now() - interval '1 s' WHERE id = '{released.id}'",
        f"UPDATE media_files SET state = 'trashed', trash_ends_at = now() + interval '1 d' WHERE id = '{trashed.id}'",
    )

    applied = await apply(runtime, await other_policy(runtime, frames={"lifetime": 2 * DAY}))
    rows = {row["id"]: row for row in await fetch(database, "SELECT id, expires_at, due_at FROM media_files")}
    await execute(database, "UPDATE media_files SET state = 'stored', held_until = NULL, trash_ends_at = NULL")

    assert applied.files[FRAMES] == 3
    assert applied.preview.categories[FRAMES].held_files == 2
    for file in (held, by_job):
        assert (rows[file.id]["expires_at"], rows[file.id]["due_at"]) == (file.stored_at + 2 * DAY, None)  # type: ignore[operator]
    assert rows[released.id]["due_at"] == released.stored_at + 2 * DAY  # type: ignore[operator]
    assert rows[trashed.id]["expires_at"] == trashed.expires_at


@pytest.mark.parametrize("column", ["held_until", "job_held_until"])
async def test_a_file_held_for_a_while_is_due_when_its_hold_ends(
    runtime: Runtime, store_file: StoreFile, database: str, column: str
) -> None:
    file = await store_file(category=FRAMES)
    until = await runtime.db.now() + 3 * DAY
    await execute(database, f"UPDATE media_files SET {column} = '{until.isoformat()}', due_at = '{until.isoformat()}'")

    await apply(runtime, await other_policy(runtime, frames={"lifetime": 2 * DAY}))
    early = await sweep(runtime, now=until - timedelta(microseconds=1))
    due = await sweep(runtime, now=until)

    assert (early.files, due.files) == (0, 1)
    assert await buried(database) == {file.id}


async def test_applying_is_audited_with_what_moved(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    await store_file(category=FRAMES)
    policy = await other_policy(runtime, frames={"lifetime": DAY})

    await apply(runtime, policy)
    activated, applied = await fetch(
        database,
        "SELECT action, details ->> 'policy_version', details ->> 'files' FROM audit_events "
        "WHERE actor = 'test' ORDER BY id",
    )

    assert tuple(activated) == ("policy_activated", policy.version, None)
    assert tuple(applied) == ("policy_applied", policy.version, '{"frames": 1}')


async def test_applying_what_is_in_force_and_followed_does_nothing(runtime: Runtime, database: str) -> None:
    applied = await apply(runtime, await other_policy(runtime))

    assert applied.files == {}
    assert await fetch(database, "SELECT FROM audit_events WHERE actor = 'test'") == []


async def test_a_change_of_quotas_alone_moves_no_file(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    await store_file(category=FRAMES)

    applied = await apply(runtime, await other_policy(runtime, frames={"quota_bytes": 2**20}))

    assert applied.files == {}
    assert (await runtime.retention.policies.in_force()).policy.of(FRAMES).quota_bytes == 2**20
    assert await fetch(database, "SELECT FROM media_files WHERE version > 1") == []


async def test_a_run_that_was_broken_off_is_finished_by_running_it_again(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    for _ in range(30):
        await store_file(category=FRAMES)
    policy = await other_policy(runtime, frames={"lifetime": DAY})

    def break_off(moved: int, _total: int) -> None:
        if moved >= 14:
            raise Broken

    with pytest.raises(Broken):
        await apply(runtime, policy, progress=break_off)
    half = await lagging(database)
    again = await apply(runtime, policy)

    assert half == 16
    assert again.files == {FRAMES: 16}
    assert (await lagging(database), again.preview.files) == (0, 16)
    assert await fetch(database, "SELECT FROM media_files WHERE version > 2") == []


async def test_another_policy_finishes_what_was_broken_off(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    for _ in range(20):
        await store_file(category=FRAMES)
    broken_off = asyncio.create_task(
        apply(runtime, await other_policy(runtime, frames={"lifetime": DAY}), progress=cancel_current_task)
    )
    with pytest.raises(asyncio.CancelledError):
        await broken_off

    await apply(runtime, await other_policy(runtime, temp={"lifetime": DAY / 2}))

    assert await lagging(database) == 0


def cancel_current_task(_moved: int, _total: int) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def test_what_makes_too_much_due_wants_its_number(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(6, category=FRAMES, explicit=False, ends_in=DAY)
    limits = replace(runtime.retention.policies.limits, share_percent={FRAMES: 50}, min_files=0)
    careful = replace(runtime.retention.policies, limits=limits)
    policy = await other_policy(runtime, frames={"lifetime": DAY / 4})
    before = (await runtime.retention.policies.in_force()).policy
    now = await runtime.db.now() + DAY / 2
    service = applying(runtime, policies=careful)

    for confirm in (None, 5):
        with pytest.raises(ConfirmationNeeded) as refused:
            await service.apply(policy, actor="test", confirm=confirm, now=now)
        assert refused.value.confirm == "6"
    untouched = (await runtime.retention.policies.in_force()).policy
    applied = await service.apply(policy, actor="test", confirm=6, now=now)

    assert untouched == before
    assert applied.files == {FRAMES: 6}
    assert await lagging(database) == 0
