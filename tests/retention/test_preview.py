"""What another policy would do is told exactly, and nothing happens."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from media_analysis.deletion.strategy import Strategy
from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.policy.in_force import adopt_configured
from media_analysis.retention.preview import Change, Impact, PolicyPreview, PolicyService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.retention.conftest import Plant
from tests.retention.test_policies import changed

DAY = timedelta(days=1)
OUTPUTS = Category.OUTPUTS


MANY = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
        stored_at, expires_at, expiry_explicit, due_at)
    SELECT gen_random_uuid(), 'alice', CASE WHEN number % 5 = 0 THEN 'temp' ELSE 'frames' END::category, 'stored',
        number::text, 'a', 'text/plain', (number * 7919) % 10007, 0, '\\x00',
        now(), now() + interval '1 d', false, now() + interval '1 d'
    FROM generate_series(1, 20000) AS number
"""


async def preview(runtime: Runtime, rules: dict[Category, dict[str, Any]], **about: Any) -> PolicyPreview:
    in_force = (await runtime.retention.policies.in_force()).policy
    return await runtime.retention.policies.preview(changed(in_force, rules), **about)


def asking(runtime: Runtime, **limits: Any) -> PolicyService:
    return replace(runtime.retention.policies, limits=replace(runtime.retention.policies.limits, **limits))


async def test_a_change_is_told_by_category_and_the_others_answer_zeros(
    runtime: Runtime, store_file: StoreFile
) -> None:
    short, long = await store_file(b"123", category=Category.FRAMES), await store_file(b"12345", owner="bob")
    framed = await store_file(b"1234567", category=Category.FRAMES, owner="bob")
    await store_file(b"dated", category=Category.FRAMES, ttl=3600)

    found = await preview(runtime, {Category.FRAMES: {"lifetime": 5 * DAY}, Category.CLIPS: {"quota_bytes": 7}})

    assert short.stored_at is not None
    assert found.policy_version != found.in_force_version
    assert found.categories[Category.FRAMES] == Impact(
        files=2,
        size_bytes=10,
        owners=2,
        earliest_deletion=short.stored_at + 5 * DAY,
        changes={"lifetime": Change(30 * 86_400.0, 5 * 86_400.0)},
    )
    assert found.categories[Category.CLIPS] == Impact(changes={"quota_bytes": Change(2**30, 7)})
    assert found.categories[Category.UPLOADS] == Impact()
    assert list(found.categories) == list(Category)
    assert [file.file_id for file in found.largest] == [framed.id, short.id]
    assert found.largest[0].new_expires_at == framed.stored_at + 5 * DAY  # type: ignore[operator]
    assert long.id not in {file.file_id for file in found.largest}
    assert not found.needs_confirmation


async def test_an_indefinite_category_that_gets_an_end_moves_and_the_other_way_round(
    runtime: Runtime, store_file: StoreFile
) -> None:
    output = await store_file(category=OUTPUTS)
    frame = await store_file(category=Category.FRAMES)

    found = await preview(runtime, {OUTPUTS: {"lifetime": DAY}, Category.FRAMES: {"lifetime": None}})

    assert found.categories[OUTPUTS].earliest_deletion == output.stored_at + DAY  # type: ignore[operator]
    assert (found.categories[Category.FRAMES].files, found.categories[Category.FRAMES].earliest_deletion) == (1, None)
    ends = {file.file_id: (file.expires_at, file.new_expires_at) for file in found.largest}
    assert ends == {output.id: (None, output.stored_at + DAY), frame.id: (frame.expires_at, None)}  # type: ignore[operator]


async def test_a_minimum_moves_dated_files_too_and_never_the_trash(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    dated, trashed = await store_file(ttl=60), await store_file()
    soft = replace(runtime.deletion.deleter, strategy=Strategy(requests=DAY))
    await delete_file(runtime, trashed.id, deleter=soft, owner=None, actor="test")

    found = await preview(runtime, {Category.UPLOADS: {"minimum": DAY, "lifetime": 2 * DAY}})
    (state,) = await fetch(database, f"SELECT state::text FROM media_files WHERE id = '{trashed.id}'")

    assert state["state"] == "trashed"
    assert [file.file_id for file in found.largest] == [dated.id]
    assert found.categories[Category.UPLOADS].newly_due_files == 0


async def test_held_files_move_and_are_not_due(runtime: Runtime, plant: Plant, database: str) -> None:
    first, second, *_ = await plant(3, category=OUTPUTS, explicit=False, ends_in=DAY)
    await execute(
        database,
        "UPDATE media_files SET expires_at = NULL, due_at = NULL",
        f"UPDATE media_files SET held_until = 'infinity' WHERE id = '{first}'",
        f"UPDATE media_files SET job_held_until = now() + interval '9 days' WHERE id = '{second}'",
    )

    now = await runtime.db.now() + 2 * DAY
    found = await preview(runtime, {OUTPUTS: {"lifetime": DAY}}, now=now)

    assert (found.categories[OUTPUTS].files, found.categories[OUTPUTS].held_files) == (3, 2)
    assert found.categories[OUTPUTS].newly_due_files == 1


async def test_only_the_twenty_largest_are_named(runtime: Runtime, plant: Plant, database: str) -> None:
    ids = await plant(25, category=Category.FRAMES, explicit=False)
    await execute(
        database, *(f"UPDATE media_files SET size_bytes = {n} WHERE id = '{id_}'" for n, id_ in enumerate(ids))
    )

    found = await preview(runtime, {Category.FRAMES: {"lifetime": DAY}})
    await execute(database, "UPDATE media_files SET size_bytes = 7")

    assert [file.file_id for file in found.largest] == ids[:4:-1]


async def test_among_many_the_largest_are_found_too(runtime: Runtime, database: str) -> None:
    await execute(database, MANY)
    query = "SELECT id FROM media_files WHERE category = 'frames' ORDER BY size_bytes DESC, id LIMIT 20"

    found = await preview(runtime, {Category.FRAMES: {"lifetime": DAY / 2}})
    largest = await fetch(database, query)
    await execute(database, "DELETE FROM media_files")

    assert [file.file_id for file in found.largest] == [row["id"] for row in largest]


@pytest.mark.parametrize(
    ("share", "fewest", "asked"), [(50, 0, True), (60, 0, False), (50, 7, False), (None, 0, False), (0, 6, True)]
)
async def test_more_than_the_breakers_share_wants_a_confirmation(
    runtime: Runtime, plant: Plant, share: int | None, fewest: int, *, asked: bool
) -> None:
    await plant(6, category=Category.FRAMES, explicit=False, ends_in=DAY)
    await plant(4, category=Category.FRAMES, ends_in=DAY)
    in_force = (await runtime.retention.policies.in_force()).policy
    service = asking(runtime, share_percent={Category.FRAMES: share}, min_files=fewest)

    now = await runtime.db.now() + DAY / 2
    other = changed(in_force, {Category.FRAMES: {"lifetime": DAY / 4}})
    found = await service.preview(other, now=now)

    assert found.newly_due_files == 6
    assert found.needs_confirmation is asked


async def test_a_preview_writes_nothing(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    await store_file()
    tables = ("media_files", "category_policies", "audit_events", "instance")
    before = [await fetch(database, f"SELECT *, xmin::text FROM {table} ORDER BY 1") for table in tables]

    await preview(runtime, {Category.UPLOADS: {"lifetime": DAY}})

    assert [await fetch(database, f"SELECT *, xmin::text FROM {table} ORDER BY 1") for table in tables] == before


async def test_a_preview_of_what_is_in_force_tells_of_files_that_lag_behind(
    runtime: Runtime, store_file: StoreFile
) -> None:
    file = await store_file(category=Category.FRAMES)
    in_force = (await runtime.retention.policies.in_force()).policy
    other = changed(in_force, {Category.FRAMES: {"lifetime": DAY}})
    before = await runtime.retention.policies.preview(in_force)
    async with runtime.db.transaction() as session:
        await adopt_configured(session, other)

    after = await runtime.retention.policies.preview(other)

    assert before.files == 0
    assert after.policy_version == after.in_force_version
    assert [moved.file_id for moved in after.largest] == [file.id]
    assert after.categories[Category.FRAMES].changes == {}


def test_a_policy_is_named_by_all_it_says() -> None:
    policy = Policy({category: CategoryRules() for category in Category})

    assert changed(policy, {}).version == policy.version
    assert changed(policy, {OUTPUTS: {"schedule": "1 1 * * *"}}).version != policy.version
