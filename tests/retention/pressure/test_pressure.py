"""Pressure takes what may go, oldest and least wanted first, down to the low-water mark and no further."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.retention.pressure.outcome import ReliefBlocker
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.storage.marker import MARKER_NAME
from tests.conftest import StoreFile, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import buried, living
from tests.retention.pressure.pressure_stock import (
    CLIPS,
    CLIPS_SCOPE,
    KIB,
    change,
    judged_runtime,
    reasons,
    relieve,
    stock,
    throw_away,
    used_kib,
)
from tests.worker.workers import until


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | CLIPS


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    async with judged_runtime(settings, database) as opened:
        yield opened


@pytest.fixture
async def other(settings: Settings, database: str, runtime: Runtime) -> AsyncIterator[Runtime]:
    """A second process over the same database and store."""
    async with open_runtime(settings, database) as opened:
        yield opened


async def test_the_last_upload_of_a_burst_is_noticed_within_a_second(runtime: Runtime, store_file: StoreFile) -> None:
    """The first one is looked at at once, and what follows on it is not left to the schedule."""
    for size_kib in (10, 75):
        await store_file(b"x" * size_kib * KIB, category=Category.CLIPS)

    async def relieved() -> bool:
        return await used_kib(runtime) <= 60

    assert await until(relieved) < 30, "a second, where the machine has the time"


async def test_a_category_above_its_high_mark_loses_its_oldest_down_to_the_low_one(
    runtime: Runtime, database: str
) -> None:
    clips = await stock(runtime, [10] * 9)
    uploads = await stock(runtime, [500], category=Category.UPLOADS)

    outcomes = await relieve(runtime.retention.pressure)

    outcome = outcomes[CLIPS_SCOPE]
    assert list(outcomes) == [CLIPS_SCOPE]
    assert (outcome.wanted_bytes, outcome.freed_bytes, outcome.files) == (30 * KIB, 30 * KIB, 3)
    assert outcome.relieved
    assert await buried(database) == set(clips[:3])
    assert await living(database) == {*clips[3:], *uploads}
    assert await used_kib(runtime) == 60


async def test_eviction_stops_with_the_file_that_reaches_the_mark(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [1, 25, 30, 7, 20])

    outcome = (await relieve(runtime.retention.pressure))[CLIPS_SCOPE]

    assert outcome.wanted_bytes == 23 * KIB
    assert await buried(database) == set(clips[:2])
    assert await used_kib(runtime) == 57


async def test_a_category_at_its_high_mark_is_not_under_pressure(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [40, 40])

    assert await relieve(runtime.retention.pressure) == {}
    assert await living(database) == set(clips)


async def test_tombstone_and_sweep_say_why(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [50, 40])

    outcome = (await relieve(runtime.retention.pressure))[CLIPS_SCOPE]

    (stone,) = await fetch(database, "SELECT *, rule::text AS by, state::text AS was FROM tombstones")
    assert (stone["id"], stone["by"], stone["was"]) == (clips[0], "pressure", "stored")
    assert (stone["sweep_id"], stone["reason"]) == (outcome.sweep_id, "pressure on category:clips")
    (sweep,) = await fetch(database, "SELECT *, status::text AS ended, trigger::text AS started_by FROM sweeps")
    assert (sweep["kind"], sweep["started_by"], sweep["ended"]) == ("pressure:category:clips", "pressure", "completed")
    assert (sweep["files"], sweep["size_bytes"]) == (1, 50 * KIB)
    assert stone["policy_version"] == sweep["policy_version"] is not None
    assert json.loads(sweep["details"])["freed_bytes"] == 50 * KIB
    assert json.loads(sweep["categories"])["clips"]["files_removed"] == 1


async def test_the_trash_goes_first_and_longest_in_it_first(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [20, 20, 20, 20, 10])
    await throw_away(runtime, clips[1], hours_ago=1)
    await throw_away(runtime, clips[3], hours_ago=5)
    await throw_away(runtime, clips[4], hours_ago=9)

    outcome = (await relieve(runtime.retention.pressure))[CLIPS_SCOPE]

    assert (outcome.files, outcome.trash_files) == (0, 2)
    assert await buried(database) == {clips[4], clips[3]}
    (stone,) = await fetch(database, "SELECT *, rule::text AS by FROM tombstones WHERE id = $1", clips[3])
    assert (stone["by"], stone["requested_by"], stone["reason"]) == ("requested", "alice", "no use")


async def test_what_is_protected_never_goes_and_is_told(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [15] * 6)
    for file_id, protection in zip(
        clips,
        (
            "held_until = 'infinity', due_at = NULL",
            "job_held_until = now() + interval '1 h'",
            "leased_until = now() + interval '1 h'",
            "min_retain_until = now() + interval '1 h'",
            "expires_at = NULL, due_at = NULL, expiry_explicit = true",
        ),
        strict=False,
    ):
        await change(runtime, protection, file_id)

    outcome = (await relieve(runtime.retention.pressure))[CLIPS_SCOPE]

    assert (outcome.wanted_bytes, outcome.freed_bytes) == (30 * KIB, 15 * KIB)
    assert not outcome.relieved
    assert reasons(outcome) == {
        ReliefBlocker.HOLD: 2,
        ReliefBlocker.JOB_LEASE: 1,
        ReliefBlocker.MINIMUM_RETENTION: 1,
        ReliefBlocker.INDEFINITE: 1,
    }
    assert await buried(database) == {clips[5]}
    assert "pressure_unrelieved{" in (text := runtime.metrics.render().decode())
    assert f'pressure_unrelieved{{scope="clips"}} {15 * KIB}.0' in text


async def test_protection_ends_at_its_very_instant(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [45, 45])
    later = await runtime.db.now() + timedelta(hours=1)
    await change(runtime, f"min_retain_until = '{later.isoformat()}'", *clips)

    before = (await relieve(runtime.retention.pressure, now=later - timedelta(microseconds=1)))[CLIPS_SCOPE]
    after = (await relieve(runtime.retention.pressure, now=later))[CLIPS_SCOPE]

    assert (before.files, after.files) == (0, 1)
    assert await living(database) == {clips[1]}


async def test_a_held_file_stays_even_in_the_trash(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [45, 45])
    await throw_away(runtime, clips[0])
    await change(runtime, "held_until = 'infinity'", clips[0])

    await relieve(runtime.retention.pressure)

    assert await living(database) == {clips[0]}


async def test_a_running_upload_is_nothing_to_free(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [45, 45])
    await change(runtime, "state = 'pending', reserved_bytes = size_bytes, size_bytes = NULL, sha256 = NULL", clips[0])

    await relieve(runtime.retention.pressure)

    assert await living(database) == {clips[0]}


async def test_a_pause_blocks_eviction(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [50, 40])
    pause = "gen_random_uuid(), 'clips', 'operator', 'wait', 0, 0, now(), 'admin'"
    columns = "id, category, cause, reason, files, size_bytes, paused_at, paused_by"
    await execute(database, f"INSERT INTO pauses ({columns}) VALUES ({pause})")

    outcome = (await relieve(runtime.retention.pressure))[CLIPS_SCOPE]

    assert reasons(outcome) == {ReliefBlocker.PAUSED: 2}
    assert await living(database) == set(clips)
    assert [row["status"] for row in await fetch(database, "SELECT status::text FROM sweeps")] == ["paused"]


async def test_nothing_goes_while_the_store_is_not_ours(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [50, 40])
    marker = disk_of(runtime.store).root / MARKER_NAME
    said = marker.read_bytes()
    marker.unlink()

    with pytest.raises(MarkerMismatch):
        await relieve(runtime.retention.pressure)

    marker.write_bytes(said)
    assert await living(database) == set(clips)
    assert [row["status"] for row in await fetch(database, "SELECT status::text FROM sweeps")] == ["failed"]


async def test_nothing_goes_where_cleanup_only_rehearses(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [50, 40])

    outcome = (await relieve(replace(runtime.retention.pressure, evicts=False)))[CLIPS_SCOPE]

    assert (outcome.freed_bytes, outcome.relieved, outcome.sweep_id) == (0, False, None)
    assert await living(database) == set(clips)


async def test_two_processes_relieving_at_once_take_each_file_once_and_no_more_than_needed(
    runtime: Runtime, other: Runtime, database: str
) -> None:
    clips = await stock(runtime, [1] * 300)

    outcomes = await asyncio.gather(*(relieve(each.retention.pressure) for each in (runtime, other)))

    told = [outcome for found in outcomes for outcome in found.values()]
    assert sum(outcome.files for outcome in told) == 240
    assert all(outcome.relieved for outcome in told)
    assert await buried(database) == set(clips[:240])
    assert await used_kib(runtime) == 60
    assert len(objects(disk_of(runtime.store).root)) == 60


async def test_of_all_processes_that_answer_a_tick_one_relieves(
    runtime: Runtime, other: Runtime, database: str
) -> None:
    slot = await runtime.db.now()
    await stock(runtime, [50, 40])
    first = await relieve(runtime.retention.pressure, slot=slot)
    await stock(runtime, [50])

    second = await relieve(other.retention.pressure, slot=slot)

    assert (list(first), second) == ([CLIPS_SCOPE], {})
    assert len(await fetch(database, "SELECT id FROM sweeps")) == 1


async def test_what_another_transaction_holds_is_left_to_it(runtime: Runtime, database: str) -> None:
    clips = await stock(runtime, [50, 40])
    elsewhere = await asyncpg.connect(database)
    held = elsewhere.transaction()
    await held.start()
    await elsewhere.execute("SELECT id FROM media_files WHERE id = $1 FOR UPDATE", clips[0])

    await relieve(runtime.retention.pressure)
    await held.rollback()
    await elsewhere.close()

    assert await living(database) == {clips[0]}


async def test_an_object_that_cannot_be_removed_is_told_and_nothing_goes_in_its_place(
    runtime: Runtime, database: str
) -> None:
    """The quota has its bytes back: the outbox goes on with the object."""
    clips = await stock(runtime, [30, 30, 30])
    path = disk_of(runtime.store).root / f"clips/stocked/{clips[0]}.bin"
    path.unlink()
    path.mkdir()

    outcome = (await relieve(runtime.retention.pressure))[CLIPS_SCOPE]

    path.rmdir()
    assert (outcome.freed_bytes, outcome.files, outcome.relieved) == (0, 0, True)
    assert reasons(outcome) == {ReliefBlocker.FAILED: 1}
    assert await buried(database) == {clips[0]}
