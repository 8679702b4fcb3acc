"""Whoever is furthest beyond the share loses first, dates protect within it, and nobody loses to one who has more."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from media_analysis.errors import DiskReserveReached, QuotaReached
from media_analysis.files.ledger import Account
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.pressure import fairness
from media_analysis.retention.pressure.eviction import CandidateQueue, Stage
from media_analysis.retention.pressure.fairness import FairQueue, Wish, read_holdings
from media_analysis.retention.pressure.outcome import ReliefBlocker
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.conftest import StoreFile
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import (
    CLIPS,
    KIB,
    change,
    judged_runtime,
    on_small_disk,
    reasons,
    relieve,
    stock,
    throw_away,
)

UPLOADS = Category.UPLOADS
DATED = "expiry_explicit = true"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Room for a hundred everywhere; pressure on uploads above eighty, down to seventy."""
    uploads = {"STORAGE_QUOTA_UPLOADS": "100KiB", "STORAGE_HIGH_WATER_UPLOADS": "80KiB"}
    return environment | CLIPS | uploads | {"STORAGE_LOW_WATER_UPLOADS": "70KiB", "STORAGE_QUOTA_FRAMES": "100KiB"}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


async def uploads_of(runtime: Runtime, owner: str, sizes: list[int]) -> list[UUID]:
    return await stock(runtime, sizes, category=UPLOADS, owner=owner)


@pytest.mark.parametrize("category", [Category.UPLOADS, Category.CLIPS])
async def test_who_holds_most_beyond_the_share_loses_first_although_others_files_are_older(
    runtime: Runtime, database: str, category: Category
) -> None:
    small = await stock(runtime, [10, 10], category=category, owner="alice")
    large = await stock(runtime, [10] * 7, category=category, owner="mallory")

    await relieve(runtime.retention.pressure)

    last = {small[0]} if category is Category.CLIPS else set()
    assert await buried(database) == {*large[:2], *last}, "down to the share of fifty, then the oldest of all"


async def test_the_greatest_are_evened_out_first(runtime: Runtime, database: str) -> None:
    """A share is 33: carol at 45 comes down to bob's 40, then both in turn, and alice is not asked."""
    alice = await uploads_of(runtime, "alice", [5])
    bob = await uploads_of(runtime, "bob", [4] * 10)
    carol = await uploads_of(runtime, "carol", [5] * 9)

    await relieve(runtime.retention.pressure)

    assert {*alice} <= await living(database)
    assert len(set(carol) & await buried(database)) == 3
    assert len(set(bob) & await buried(database)) == 2


async def test_within_the_share_a_date_outranks_pressure_and_is_told(runtime: Runtime, database: str) -> None:
    dated, undated = await uploads_of(runtime, "alice", [41, 41])
    await change(runtime, DATED, dated)

    outcome = (await relieve(runtime.retention.pressure))["category:uploads"]
    again = await relieve(runtime.retention.pressure)

    assert await buried(database) == {undated}
    assert outcome.relieved
    assert again == {}


async def test_all_dated_within_the_share_nothing_goes(runtime: Runtime, database: str) -> None:
    uploads = await uploads_of(runtime, "alice", [41, 41])
    await change(runtime, DATED, *uploads)

    outcome = (await relieve(runtime.retention.pressure))["category:uploads"]

    assert not outcome.relieved
    assert reasons(outcome) == {ReliefBlocker.DATED: 2}
    assert await living(database) == set(uploads)


async def test_scratch_knows_no_dates(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [30, 30, 30])
    await change(runtime, DATED, clips[0], clips[2])

    await relieve(runtime.retention.pressure)

    assert await buried(database) == {clips[0]}


async def test_beyond_the_share_dated_files_go_after_undated_ones(runtime: Runtime, database: str) -> None:
    alice = await uploads_of(runtime, "alice", [10])
    dated, undated, *rest = await uploads_of(runtime, "mallory", [10] * 8)
    await change(runtime, DATED, dated, *rest)

    await relieve(runtime.retention.pressure)

    assert await buried(database) == {undated, dated}
    assert set(alice) <= await living(database)


async def test_trash_is_taken_fairly_too(runtime: Runtime, database: str) -> None:
    alice = await uploads_of(runtime, "alice", [10])
    mallory = await uploads_of(runtime, "mallory", [20] * 4)
    await throw_away(runtime, *alice, hours_ago=9)
    await throw_away(runtime, *mallory, hours_ago=1)

    await relieve(runtime.retention.pressure)

    assert await buried(database) == {mallory[0]}


async def test_who_asks_for_more_than_the_share_pays_for_it(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    alice = await stock(runtime, [40], category=Category.FRAMES, owner="alice")
    mallory = await stock(runtime, [20, 20], category=Category.FRAMES, owner="mallory")

    await store_file(bytes(30 * KIB), category=Category.FRAMES, owner="mallory")

    assert await buried(database) == {mallory[0]}
    assert set(alice) <= await living(database)


async def test_nobody_loses_a_file_to_one_who_has_more(runtime: Runtime, store_file: StoreFile, database: str) -> None:
    """Mallory's own are held, and alice has less: the upload is refused."""
    alice = await uploads_of(runtime, "alice", [40])
    mallory = await uploads_of(runtime, "mallory", [50])
    await change(runtime, "held_until = 'infinity', due_at = NULL", *mallory)

    with pytest.raises(QuotaReached):
        await store_file(bytes(20 * KIB), category=UPLOADS, owner="mallory")

    assert {*alice, *mallory} <= await living(database)


async def looked_at(runtime: Runtime, wish: Wish, most: int) -> tuple[list[UUID], int]:
    """Return whose turn it is for a wish, and at how many files that looks."""
    async with runtime.db.read_only() as session:
        policy = await require_policy(session)
        queue = FairQueue(CandidateQueue(UPLOADS, Stage.OLDEST), policy.of(UPLOADS), wish)
        queue.begin(await read_holdings(session, [UPLOADS], wish))
        turns = [turn.candidate.file.id async for turn in queue.turns(session, most=most, lock=False)]
    return turns, most - queue.left


async def test_no_file_is_read_of_those_who_may_not_lose_any(runtime: Runtime) -> None:
    for owner in ("alice", "bob", "carol"):
        await uploads_of(runtime, owner, [1] * 9)
    mallory = await uploads_of(runtime, "mallory", [20, 20])

    turns, looked = await looked_at(runtime, Wish(Account("mallory", UPLOADS), KIB), most=100)

    assert (turns, looked) == (mallory, 2)


async def test_what_is_read_of_those_who_may_not_lose_any_counts(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among too many who may lose a file, everybody's are read."""
    monkeypatch.setattr(fairness, "OWNERS_AT_ONCE", 0)
    await uploads_of(runtime, "alice", [1] * 9)
    (large,) = await uploads_of(runtime, "mallory", [20])
    wish = Wish(Account("mallory", UPLOADS), KIB, large)

    assert await looked_at(runtime, wish, most=5) == ([], 5)


async def test_the_oldest_of_all_who_may_lose_goes_first(runtime: Runtime) -> None:
    first = await uploads_of(runtime, "alice", [8, 8])
    second = await uploads_of(runtime, "bob", [8])
    third = await uploads_of(runtime, "alice", [8])
    await change(runtime, DATED, first[0])

    turns, looked = await looked_at(runtime, Wish(Account("carol", UPLOADS), KIB), most=100)

    assert (turns, looked) == ([first[1], *second, *third, first[0]], 4)


async def test_the_disk_takes_from_nobody_for_one_who_has_more(runtime: Runtime, database: str) -> None:
    alice = await stock(runtime, [30], category=Category.TEMP, owner="alice")
    outputs = await stock(runtime, [60], category=Category.OUTPUTS, owner="mallory")
    pressure = on_small_disk(runtime, 100)

    with pytest.raises(DiskReserveReached):
        await pressure.make_disk_room(20 * KIB, Account("mallory", Category.ARCHIVES))
    assert await living(database) == {*alice, *outputs}
    await pressure.make_disk_room(20 * KIB, Account("bob", Category.ARCHIVES))

    assert await buried(database) == set(alice)


async def test_an_owner_quota_is_the_share(runtime: Runtime, database: str) -> None:
    """Seventy of a hundred would be within a share of a hundred for one owner."""
    policy = (await runtime.retention.policies.in_force()).policy
    rules = replace(policy.of(UPLOADS), owner_quota_bytes=30 * KIB, high_water_bytes=60 * KIB, low_water_bytes=40 * KIB)
    await runtime.retention.redating.apply(
        replace(policy, rules={**policy.rules, UPLOADS: rules}), actor="admin", confirm=0
    )
    dated = await uploads_of(runtime, "alice", [35, 35])
    await change(runtime, DATED, *dated)

    await relieve(runtime.retention.pressure)

    assert await buried(database) == {dated[0]}
