"""The breaker: a sweep that would take too much takes nothing, until somebody confirms how much."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from media_analysis.deletion.models import Pause, PauseCause
from media_analysis.deletion.strategy import Strategy
from media_analysis.retention.guard.clock import ClockService
from media_analysis.retention.models import SweepStatus
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.retention.conftest import CONTENT, FUTURE, Plant, buried, living, request, sweep

UPLOADS = Category.UPLOADS
SIZE = len(CONTENT)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"STORAGE_BREAKER_MIN_FILES": "3", "STORAGE_BREAKER_MEDIAN_FACTOR": "4"}


async def open_pauses(runtime: Runtime) -> list[Pause]:
    return list(await runtime.deletion.pauses.list(is_open=True))


async def confirm(runtime: Runtime) -> Pause:
    (pause,) = await open_pauses(runtime)
    return await runtime.deletion.pauses.resume(pause.id, confirm=pause.files, by="operator")


async def remember_sweeps(database: str, *taken: int, category: Category = UPLOADS, kind: str = "cleanup") -> None:
    """Let there have been sweeps that took so many files, the last one an hour ago."""
    for number, files in enumerate(reversed(taken), 1):
        document = f'{{"{category.value}": {{"files_removed": {files}, "files_trashed": 0}}}}'
        await execute(
            database,
            f"""
            INSERT INTO sweeps
                (id, kind, trigger, requested_by, dry_run, status, started_at, ended_at, files, size_bytes, errors,
                 categories)
            VALUES ('{uuid7()}', '{kind}:x', 'cli', 'test', false, 'completed', now() - interval '{number} h',
                    now() - interval '{number} h', {files}, 0, 0, '{document}')
            """,
        )


async def audited(database: str, action: str) -> list[tuple[str, str]]:
    rows = await fetch(
        database, "SELECT actor, details ->> 'cause' AS cause FROM audit_events WHERE action = $1 ORDER BY id", action
    )
    return [(row["actor"], row["cause"]) for row in rows]


async def test_a_sweep_that_would_take_too_much_takes_nothing_and_the_others_go_on(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    await plant(6, category=UPLOADS)
    await plant(4, category=UPLOADS, ends_in=FUTURE)
    clips = await plant(5, category=Category.CLIPS)

    report = await sweep(runtime)

    (pause,) = await open_pauses(runtime)
    reason = f"6 of 10 files, {6 * SIZE} of {10 * SIZE} bytes, are due: more than 50 % of the category"
    assert report.status is SweepStatus.PAUSED
    assert report.paused == {UPLOADS: reason}
    assert await buried(database) == set(clips)
    assert (pause.category, pause.cause, pause.reason) == (UPLOADS, PauseCause.SHARE, reason)
    assert (pause.files, pause.size_bytes, pause.paused_by) == (6, 6 * SIZE, "breaker")
    assert await audited(database, "paused") == [("breaker", "share")]
    assert (await runtime.retention.sweeps.get(report.id)).details == {"paused": {"uploads": reason}}


async def test_what_is_not_too_much_goes_unasked(runtime: Runtime, plant: Plant, database: str) -> None:
    due = await plant(5, category=UPLOADS)
    await plant(5, category=UPLOADS, ends_in=FUTURE)
    due += await plant(2, category=Category.FRAMES)

    report = await sweep(runtime)

    assert report.status is SweepStatus.COMPLETED
    assert await buried(database) == set(due)


async def test_few_files_with_most_of_the_bytes_are_too_much(runtime: Runtime, plant: Plant, database: str) -> None:
    due = await plant(3, category=UPLOADS)
    await plant(7, category=UPLOADS, ends_in=FUTURE)
    root = disk_of(runtime.store).root
    for row in await fetch(database, "SELECT key FROM media_files WHERE id = ANY($1)", due):
        (root / row["key"]).write_bytes(bytes(1000))
    ids = ", ".join(f"'{file_id}'" for file_id in due)
    await execute(
        database,
        f"UPDATE media_files SET size_bytes = 1000, sha256 = NULL WHERE id IN ({ids})",
        f"UPDATE ledger SET size_bytes = {3000 + 7 * SIZE}",
        f"UPDATE category_usage SET size_bytes = {3000 + 7 * SIZE} WHERE category = 'uploads'",
    )

    report = await sweep(runtime)

    assert list(report.paused) == [UPLOADS]
    assert await buried(database) == set()


async def test_the_trash_is_weighed_when_it_is_filled_and_not_when_it_is_emptied(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(6, category=UPLOADS)
    await plant(2, category=UPLOADS, ends_in=timedelta(days=2))
    soft = replace(
        runtime.retention.sweeps,
        deleter=replace(runtime.deletion.deleter, strategy=Strategy(sweeps=timedelta(hours=1))),
    )

    asked = await soft.run(request())
    await confirm(runtime)
    filled = await soft.run(request())
    emptied = await soft.run(request(), now=await runtime.db.now() + timedelta(hours=2))

    assert list(asked.paused) == [UPLOADS]
    assert filled.of(UPLOADS).files_trashed == 6
    assert emptied.status is SweepStatus.COMPLETED
    assert await buried(database) == set(due)


async def test_a_confirmation_lets_exactly_that_through_and_a_later_wave_trips_again(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    first = await plant(10, category=UPLOADS)
    await sweep(runtime)
    await confirm(runtime)

    confirmed = await sweep(runtime)
    await plant(11, category=UPLOADS)
    again = await sweep(runtime)

    assert confirmed.status is SweepStatus.COMPLETED
    assert await buried(database) == set(first)
    assert list(again.paused) == [UPLOADS]
    assert [pause.files for pause in await open_pauses(runtime)] == [11]
    assert await audited(database, "resumed") == [("operator", "share")]


async def test_a_sweep_that_ended_early_leaves_the_rest_of_what_was_confirmed_to_the_next(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    await plant(10, category=UPLOADS)
    await sweep(runtime)
    await confirm(runtime)

    spent = await sweep(runtime, batch_size=1, workers=1, budget_files=6)
    rest = await sweep(runtime)

    assert (spent.status, spent.files) == (SweepStatus.BUDGET_SPENT, 6)
    assert (rest.status, rest.files) == (SweepStatus.COMPLETED, 4)


@pytest.mark.parametrize(("more", "passes"), [(1, True), (2, False)])
async def test_a_tenth_more_than_confirmed_may_have_fallen_due_meanwhile(
    runtime: Runtime, plant: Plant, *, more: int, passes: bool
) -> None:
    await plant(10, category=UPLOADS)
    await sweep(runtime)
    await confirm(runtime)

    await plant(more, category=UPLOADS)
    report = await sweep(runtime)

    assert (report.status is SweepStatus.COMPLETED) is passes


async def test_a_confirmation_is_good_for_a_day(runtime: Runtime, plant: Plant, database: str) -> None:
    due = await plant(10, category=UPLOADS)
    await sweep(runtime)
    resumed_at = (await confirm(runtime)).resumed_at
    assert resumed_at is not None

    late = await sweep(runtime, now=resumed_at + timedelta(hours=24))

    assert list(late.paused) == [UPLOADS]
    assert await living(database) == set(due)


@pytest.mark.parametrize(("due", "passes"), [(20, True), (21, False)])
async def test_many_times_what_sweeps_usually_take_is_too_much(
    runtime: Runtime, plant: Plant, database: str, *, due: int, passes: bool
) -> None:
    await plant(100, category=UPLOADS, ends_in=FUTURE)
    await plant(due, category=UPLOADS)
    await remember_sweeps(database, 1, 0, 5, 100, 5, 5)
    await remember_sweeps(database, *[1000] * 20, category=Category.CLIPS)
    await remember_sweeps(database, *[1000] * 20, kind="abandoned")

    report = await sweep(runtime)

    pauses = await open_pauses(runtime)
    assert (report.status is SweepStatus.COMPLETED) is passes
    assert [(pause.cause, pause.reason) for pause in pauses] == [
        (
            PauseCause.MEDIAN,
            "21 files are due: more than 4 times the 5 that its last 5 sweeps took in the median",
        )
    ] * (not passes)


async def test_a_few_sweeps_are_no_habit_yet(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(100, category=UPLOADS, ends_in=FUTURE)
    await plant(21, category=UPLOADS)
    await remember_sweeps(database, 5, 5, 5, 5)

    report = await sweep(runtime)

    assert (report.status, report.files) == (SweepStatus.COMPLETED, 21)


async def test_a_rehearsal_says_paused_and_writes_nothing(runtime: Runtime, plant: Plant) -> None:
    await plant(6, category=UPLOADS)
    await plant(2, category=Category.TEMP)

    rehearsed = await runtime.retention.sweeps.run(request(dry_run=True))

    assert rehearsed.status is SweepStatus.PAUSED
    assert list(rehearsed.paused) == [UPLOADS]
    assert (rehearsed.of(UPLOADS).files_removed, rehearsed.of(Category.TEMP).files_removed) == (0, 2)
    assert await open_pauses(runtime) == []


class TrustedClock(ClockService):
    """Never looks, which would let one replica wait for another before either of them weighs anything."""

    async def check(self) -> None:
        return


async def test_replicas_that_find_it_at_the_same_time_leave_one_pause(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    await plant(10, category=UPLOADS)
    now, clock = await runtime.db.now(), runtime.retention.clock
    breaker = replace(runtime.retention.sweeps.breaker, clock=TrustedClock(clock.db, clock.limits, clock.observe))

    reasons = await asyncio.gather(*(breaker.trip(UPLOADS, now=now) for _ in range(8)))

    assert len(set(reasons)) == 1
    assert None not in reasons
    assert len(await open_pauses(runtime)) == 1
    assert await audited(database, "paused") == [("breaker", "share")]


async def test_a_pause_is_not_repeated_by_the_next_sweep(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(10, category=UPLOADS)

    first, second = await sweep(runtime), await sweep(runtime)

    assert first.paused == second.paused
    assert len(await audited(database, "paused")) == 1


async def test_uploads_that_were_given_up_do_not_count(runtime: Runtime, plant: Plant, database: str) -> None:
    abandoned: list[UUID] = await plant(6, category=UPLOADS)
    await plant(2, category=UPLOADS)
    ids = ", ".join(f"'{file_id}'" for file_id in abandoned)
    await execute(
        database,
        f"UPDATE media_files SET state = 'pending', reserved_bytes = 1 WHERE id IN ({ids})",
        f"UPDATE ledger SET files = 2, size_bytes = {2 * SIZE}, reserved_bytes = 6",
        f"UPDATE category_usage SET size_bytes = {2 * SIZE + 6} WHERE category = 'uploads'",
    )

    report = await sweep(runtime)

    assert (report.status, report.files) == (SweepStatus.COMPLETED, 8)


async def test_what_is_due_is_weighed_in_pieces(
    runtime: Runtime, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.retention.guard.weighing.WEIGHED_AT_ONCE", 3)
    await plant(7, category=UPLOADS)
    await plant(2, category=Category.FRAMES)

    report = await sweep(runtime)

    assert list(report.paused) == [UPLOADS]
    assert [pause.files for pause in await open_pauses(runtime)] == [7]
