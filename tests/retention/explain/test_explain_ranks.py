"""A file's eviction rank is its place in the queue that pressure takes from."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.explain.service import Reach
from media_analysis.retention.pressure.foresight import foresee
from media_analysis.retention.pressure.outcome import Blocked
from media_analysis.runtime import Runtime
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute
from tests.retention.conftest import FUTURE, Plant
from tests.retention.pressure.pressure_stock import stock


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash."""
    return environment | {"DELETION_STRATEGY": "soft"}


async def ranks(runtime: Runtime, ids: list[UUID]) -> dict[UUID, int]:
    told = [await runtime.retention.explanations.explain(file_id, owner=None) for file_id in ids]
    return {one.file_id: one.eviction_rank for one in told if one.eviction_rank is not None}


async def pressure_on(runtime: Runtime, file_id: UUID) -> str:
    told = await runtime.retention.explanations.explain(file_id, owner=None)
    (pressure,) = [loser for loser in told.losing_rules if loser.rule is RetentionRule.PRESSURE]
    return pressure.reason


async def evicted_in_order(runtime: Runtime, category: Category) -> list[UUID]:
    async with runtime.db.read_only() as session:
        policy, now = await require_policy(session), await runtime.db.now()
        foreseen = foresee(session, [category], policy, now=now, blocked=Blocked())
        return [eviction.candidate.file.id async for eviction in foreseen]


async def test_ranks_are_the_order_in_which_pressure_takes_files(runtime: Runtime, plant: Plant, database: str) -> None:
    ids = await plant(12, ends_in=FUTURE, category=Category.CLIPS)
    await plant(3, ends_in=FUTURE)
    for column, file_id in zip(("held_until", "job_held_until", "leased_until", "min_retain_until"), ids, strict=False):
        await execute(database, f"UPDATE media_files SET {column} = now() + interval '1 h' WHERE id = '{file_id}'")
    await execute(database, f"UPDATE media_files SET expires_at = NULL, due_at = NULL WHERE id = '{ids[5]}'")
    await delete_file(runtime, ids[9], owner="alice", actor="alice", soft=True)
    await delete_file(runtime, ids[7], owner="alice", actor="alice", soft=True)
    await delete_file(runtime, ids[11], owner="alice", actor="alice", soft=True)
    await execute(database, f"UPDATE media_files SET held_until = 'infinity' WHERE id = '{ids[11]}'")

    told = await ranks(runtime, ids)

    order = await evicted_in_order(runtime, Category.CLIPS)
    assert told == {file_id: place for place, file_id in enumerate(order, 1)}
    assert order[:2] == [ids[9], ids[7]]
    assert len(order) == 6


async def test_what_pressure_cannot_take_has_no_rank(runtime: Runtime, store_file: StoreFile) -> None:
    output = await store_file(category=Category.OUTPUTS, ttl=60)
    empty = await store_file(b"", category=Category.CLIPS)

    assert await ranks(runtime, [output.id, empty.id]) == {}


async def test_a_rank_far_behind_is_the_earliest_it_can_be(runtime: Runtime, plant: Plant) -> None:
    ids = await plant(6, ends_in=timedelta(hours=1), category=Category.CLIPS)

    explain = runtime.retention.explanations.explain
    near, far = [await explain(ids[number], owner=None, reach=Reach(before=3)) for number in (3, 5)]

    assert (near.eviction_rank, near.eviction_rank_capped) == (4, False)
    assert (far.eviction_rank, far.eviction_rank_capped) == (4, True)


async def test_an_owner_is_told_the_rank_among_their_own_files(runtime: Runtime) -> None:
    await stock(runtime, [1, 1, 1], owner="bob")
    own = await stock(runtime, [1, 1], owner="alice")

    told = [await runtime.retention.explanations.explain(file_id, owner="alice") for file_id in own]
    of_all = [await runtime.retention.explanations.explain(file_id, owner=None) for file_id in own]

    assert [one.eviction_rank for one in told] == [1, 2]
    assert [one.eviction_rank for one in of_all] != [1, 2]


async def test_the_archive_of_a_run_has_no_rank_whatever_priority_its_category_has(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    archive = await store_file(category=Category.ARCHIVES)
    other = await store_file(category=Category.ARCHIVES)
    await execute(database, f"UPDATE media_files SET role = 'archive', ordinal = 0 WHERE id = '{archive.id}'")
    await execute(database, "UPDATE category_policies SET eviction_priority = 1 WHERE category = 'archives'")

    told = await ranks(runtime, [archive.id, other.id])

    assert told == {other.id: 1}
    assert list(told) == await evicted_in_order(runtime, Category.ARCHIVES)
    assert await pressure_on(runtime, archive.id) == "the archive of a run goes with its run, and not before"


@pytest.mark.parametrize("cause", [PauseCause.OPERATOR, PauseCause.EVICTION, PauseCause.MARKS])
async def test_while_evictions_are_paused_nothing_has_a_rank(runtime: Runtime, plant: Plant, cause: PauseCause) -> None:
    (clip,) = await plant(1, ends_in=FUTURE, category=Category.CLIPS)
    (upload,) = await plant(1, ends_in=FUTURE)
    async with runtime.db.transaction() as session:
        await add_pause(session, Category.CLIPS, PauseFinding(cause=cause, reason="a backup"), by="ops")

    told = await ranks(runtime, [clip, upload])

    assert told == {upload: 1}
    assert await evicted_in_order(runtime, Category.CLIPS) == []
    assert await pressure_on(runtime, clip) == "nothing is evicted now: a backup"


async def test_where_the_settings_evict_nothing_an_explanation_says_so(runtime: Runtime, plant: Plant) -> None:
    (clip,) = await plant(1, ends_in=FUTURE, category=Category.CLIPS)
    told = await replace(runtime.retention.explanations, not_evicting="storage.cleanup.enabled is false").explain(
        clip, owner=None
    )

    assert told.eviction_rank is None
    assert told.losing_rules[-1].reason == "nothing is evicted now: storage.cleanup.enabled is false"
