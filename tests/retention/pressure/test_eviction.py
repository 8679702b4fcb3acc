"""The queues of eviction: their order, the index they ask, and the date by which space frees."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from media_analysis.policy.in_force import require_policy
from media_analysis.retention.pressure import eviction
from media_analysis.retention.pressure.eviction import (
    FIRST,
    CandidateQueue,
    Lane,
    Stage,
    eviction_order,
    find_space_freed,
    list_candidates,
)
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import execute
from tests.plans import as_new
from tests.retention.pressure.pressure_stock import KIB, change, judged_runtime, stock, throw_away
from tests.retention.test_claim_plan import nodes

_FILL = """
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
                             stored_at, expires_at, expiry_explicit, due_at, trashed_at)
    SELECT gen_random_uuid(), 'owner' || number % 100,
        CASE WHEN number % 4 = 0 THEN 'temp' ELSE 'uploads' END::category,
        CASE WHEN number % {every} = 0 THEN 'trashed' ELSE 'stored' END::file_state,
        'uploads/' || number, 'a', 'text/plain', 1, 0, '\\x00', now(), moment, true, moment,
        CASE WHEN number % {every} = 0 THEN now() - interval '1 second' * number END
    FROM (
        SELECT number, now() + interval '1 second' * number AS moment FROM generate_series(1, 10000) AS number
    ) AS numbered
"""
_ARGUMENTS = {
    "category": "'uploads'",
    "after_at": "'0001-01-01 00:00+00'",
    "after_id": "'00000000-0000-0000-0000-000000000000'",
    "dated": "true",
    "limit": "1000",
}
_OF_OWNERS = _ARGUMENTS | {
    "owners": "'{owner1,owner2,owner3}'",
    "dated": "'{true,true,false}'",
    "after_at": "'{0001-01-01 00:00+00,0001-01-01 00:00+00,0001-01-01 00:00+00}'",
    "after_id": "array_fill(uuid '00000000-0000-0000-0000-000000000000', '{3}')",
}
QUEUES = {
    "oldest": (eviction.OF_ALL[Stage.OLDEST, True], _ARGUMENTS, "ix_media_files_stored"),
    "trash": (eviction.OF_ALL[Stage.TRASH, True], _ARGUMENTS, "ix_media_files_trash"),
    "an owner's oldest": (eviction.OF_OWNERS[Stage.OLDEST, True], _OF_OWNERS, "ix_media_files_owner_stored"),
    "an owner's trash": (eviction.OF_OWNERS[Stage.TRASH, True], _OF_OWNERS, "ix_media_files_owner_trash"),
}
DAY = timedelta(days=1)


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


@pytest.fixture
async def unjudged(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services without the oracle: the rows of a plan test have no objects."""
    async with open_runtime(settings, database) as opened:
        yield opened


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("plans", ["custom", "generic"])
@pytest.mark.parametrize("every", [10, 10_001], ids=["a tenth is trash", "no trash"])
async def test_the_claim_asks_the_index_of_its_queue_and_sorts_nothing(
    unjudged: Runtime, database: str, queue: str, plans: str, every: int
) -> None:
    await execute(database, _FILL.format(every=every), as_new("media_files"))
    statement, asked, index = QUEUES[queue]
    compiled = statement.compile(dialect=unjudged.db.engine.dialect)
    arguments = ", ".join(asked[name] for name in compiled.positiontup or ())

    async with unjudged.db.engine.connect() as connection:
        await connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = force_{plans}_plan")
        await connection.exec_driver_sql(f"PREPARE claim AS {compiled}")
        told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE claim({arguments})")).scalar_one()
        await connection.exec_driver_sql("DEALLOCATE claim")

    plan = list(nodes(told[0]["Plan"]))
    assert {node["Index Name"] for node in plan if "Index Name" in node} == {index}, plan
    assert not {node["Node Type"] for node in plan} & {"Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan"}, plan


async def test_trash_has_its_turn_first_then_priority_decides_and_what_has_none_is_spared(runtime: Runtime) -> None:
    async with runtime.db.read_only() as session:
        policy = await require_policy(session)

    order = eviction_order(policy, tuple(Category))

    evictable = [Category.TEMP, Category.CLIPS, Category.UPLOADS, Category.FRAMES, Category.CONTACT_SHEETS]
    assert order[:7] == [
        CandidateQueue(category, Stage.TRASH) for category in (*evictable, Category.OUTPUTS, Category.ARCHIVES)
    ]
    assert order[7:] == [CandidateQueue(category, Stage.OLDEST) for category in evictable]


async def ids_of(runtime: Runtime, stage: Stage, *, page: int = 100) -> list[UUID]:
    """Read the whole queue of what has no date, page by page."""
    found: list[UUID] = []
    lane, place = Lane(None, dated=False), FIRST
    async with runtime.db.read_only() as session:
        while page_of := (
            await list_candidates(session, CandidateQueue(Category.CLIPS, stage), {lane: place}, limit=page)
        )[lane]:
            found += [candidate.file.id for candidate in page_of]
            place = page_of[-1].place
    return found


@pytest.mark.parametrize("page", [1, 100])
async def test_a_queue_is_read_from_its_oldest_on_whatever_the_pages(runtime: Runtime, page: int) -> None:
    clips = await stock(runtime, [1] * 6)
    await throw_away(runtime, clips[0], clips[5], hours_ago=2)
    await throw_away(runtime, clips[2], hours_ago=3)

    stored, trash = [await ids_of(runtime, stage, page=page) for stage in (Stage.OLDEST, Stage.TRASH)]

    assert stored == [clips[1], clips[3], clips[4]]
    assert trash == [clips[2], clips[0], clips[5]]


async def test_a_file_without_bytes_is_not_lost_for_nothing(runtime: Runtime) -> None:
    clips = await stock(runtime, [0, 1])

    assert await ids_of(runtime, Stage.OLDEST) == [clips[1]]


@pytest.fixture
async def noon(runtime: Runtime) -> datetime:
    return await runtime.db.now()


async def freed_by(runtime: Runtime, missing_kib: int, *, now: datetime, trash: timedelta | None = None) -> object:
    """Return in how many hours so much is free."""
    async with runtime.db.read_only() as session:
        at = await find_space_freed(session, Category.CLIPS, missing_kib * KIB, now=now, trash=trash)
    return None if at is None else round((at - now) / timedelta(hours=1))


async def due_in(runtime: Runtime, now: datetime, hours: int, *ids: UUID) -> None:
    at = (now + timedelta(hours=hours)).isoformat()
    await change(runtime, f"expires_at = '{at}', due_at = '{at}'", *ids)


async def test_space_frees_when_enough_files_have_fallen_due(runtime: Runtime, noon: datetime) -> None:
    clips = await stock(runtime, [10, 10, 10])
    for hours, file_id in enumerate(clips, start=1):
        await due_in(runtime, noon, hours, file_id)

    assert [await freed_by(runtime, kib, now=noon) for kib in (5, 10, 11, 30, 31)] == [1, 1, 2, 3, None]


async def test_what_falls_due_frees_nothing_before_its_time_in_the_trash_ended(
    runtime: Runtime, noon: datetime
) -> None:
    clips = await stock(runtime, [10, 10])
    await due_in(runtime, noon, -1, clips[0])
    await throw_away(runtime, clips[1], hours_ago=20)

    assert [await freed_by(runtime, kib, now=noon, trash=DAY) for kib in (10, 20)] == [4, 24]


@pytest.mark.parametrize(
    ("protection", "hours"),
    [
        ("held_until = now() + interval '9 h', due_at = NULL", None),
        ("held_until = now() + interval '9 h'", 9),
        ("min_retain_until = now() + interval '5 h'", 5),
        ("expires_at = NULL", None),
    ],
)
async def test_what_is_protected_does_not_count_as_space_before_its_protection_ends(
    runtime: Runtime, noon: datetime, protection: str, hours: int | None
) -> None:
    clips = await stock(runtime, [10])
    await due_in(runtime, noon, 1, *clips)
    await change(runtime, protection, *clips)

    assert await freed_by(runtime, 10, now=noon) == hours
