"""A file's eviction rank is its place in the queue that pressure takes from."""

from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.retention.explain import queries as explain_queries
from media_analysis.retention.policies import require_policy
from media_analysis.retention.pressure.foresight import foresee
from media_analysis.retention.pressure.outcome import Blocked
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute
from tests.retention.conftest import FUTURE, Plant


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash."""
    return environment | {"DELETION_STRATEGY": "soft"}


async def ranks(runtime: Runtime, ids: list[UUID]) -> dict[UUID, int]:
    told = [await runtime.explanations.explain(file_id, owner=None) for file_id in ids]
    return {one.file_id: one.eviction_rank for one in told if one.eviction_rank is not None}


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
    await runtime.deleter.delete(ids[9], owner="alice", requested_by="alice", soft=True)
    await runtime.deleter.delete(ids[7], owner="alice", requested_by="alice", soft=True)
    await runtime.deleter.delete(ids[11], owner="alice", requested_by="alice", soft=True)
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


async def test_a_rank_far_behind_is_the_earliest_it_can_be(
    runtime: Runtime, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain_queries, "MOST_BEFORE", 3)
    ids = await plant(6, ends_in=timedelta(hours=1), category=Category.CLIPS)

    near, far = [await runtime.explanations.explain(ids[number], owner=None) for number in (3, 5)]

    assert (near.eviction_rank, near.eviction_rank_capped) == (4, False)
    assert (far.eviction_rank, far.eviction_rank_capped) == (4, True)
