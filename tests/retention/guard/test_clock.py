"""The clock: a jump stops deletion, whichever way it goes and whoever notices."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Never

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.errors import DatabaseUnavailable
from media_analysis.retention.guard.clock import ClockService, steady
from media_analysis.retention.models import SweepStatus
from media_analysis.runtime import Runtime
from tests.conftest import execute, fetch
from tests.retention.conftest import Plant, buried, request, sweep


class Stopwatch:
    """A process's own clock, advanced by hand."""

    def __init__(self) -> None:
        self.seconds = steady()

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def clock(runtime: Runtime, stopwatch: Stopwatch) -> ClockService:
    """A process that looks at the same database with a clock of its own."""
    return ClockService(runtime.db, runtime.retention.clock.limits, lambda _: None, monotonic=stopwatch)


async def note(database: str, ago: str) -> None:
    await execute(database, f"UPDATE instance SET clock_seen_at = now() - interval '{ago}'")


async def noted(database: str) -> datetime | None:
    (row,) = await fetch(database, "SELECT clock_seen_at FROM instance")
    seen_at: datetime | None = row["clock_seen_at"]
    return seen_at


async def reasons(runtime: Runtime) -> Sequence[str]:
    pauses = await runtime.deletion.pauses.list(is_open=True)
    assert all((pause.category, pause.cause) == (None, PauseCause.CLOCK) for pause in pauses)
    return [pause.reason for pause in pauses]


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        ("-6 min", "it went back"),
        ("15 days", "it went forward, or the service was down for more than 14 days"),
    ],
)
async def test_a_sweep_that_sees_the_clock_jump_takes_nothing(
    runtime: Runtime, plant: Plant, database: str, ago: str, words: str
) -> None:
    await plant(3)
    await note(database, ago)

    report = await sweep(runtime)

    (reason,) = await reasons(runtime)
    assert words in reason
    assert report.status is SweepStatus.PAUSED
    assert set(report.paused) == set(report.categories)
    assert await buried(database) == set()


async def test_a_jump_is_told_at_once_and_weighed_again_after_a_check_that_broke_off(
    runtime: Runtime, plant: Plant, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant(3)
    await note(database, "15 days")
    told: list[PauseCause] = []
    checks = ClockService(runtime.db, runtime.retention.clock.limits, told.append)

    async def cut_off(*_asked: object, **_about: object) -> Never:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr("media_analysis.retention.guard.clock.sum_due", cut_off)
        with pytest.raises(DatabaseUnavailable):
            await checks.check()
    await checks.check()
    await checks.check()

    (pause,) = await runtime.deletion.pauses.list(is_open=True)
    assert (told, pause.files) == ([PauseCause.CLOCK], 3)
    assert pause.reason.count("3 files") == 1


@pytest.mark.parametrize("ago", ["-4 min", "13 days"])
async def test_small_steps_and_a_usual_downtime_are_no_jump(
    runtime: Runtime, plant: Plant, database: str, ago: str
) -> None:
    due = await plant(3)
    await note(database, ago)

    await sweep(runtime)

    assert await reasons(runtime) == []
    assert await buried(database) == set(due)


async def test_a_rehearsal_distrusts_the_clock_and_writes_nothing(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    await plant(3)
    await note(database, "15 days")
    before = await noted(database)

    rehearsed = await runtime.retention.sweeps.run(request(dry_run=True))

    assert (rehearsed.status, rehearsed.files) == (SweepStatus.PAUSED, 0)
    assert await reasons(runtime) == []
    assert await noted(database) == before


async def test_the_mark_only_grows_and_starts_with_the_first_look(runtime: Runtime, database: str) -> None:
    begin = await runtime.db.now()
    await runtime.retention.clock.check()
    first = await noted(database)
    await note(database, "-1 min")
    ahead = await noted(database)

    await runtime.retention.clock.check()

    assert first is not None
    assert first >= begin
    assert await noted(database) == ahead
    assert await reasons(runtime) == []


@pytest.mark.parametrize("seconds", [-310, 310])
async def test_a_process_notices_a_jump_by_a_clock_of_its_own(
    runtime: Runtime, clock: ClockService, stopwatch: Stopwatch, seconds: float
) -> None:
    await clock.check()
    stopwatch.seconds += seconds  # it counts much more, or less, than the database's clock advances

    await clock.check()

    (reason,) = await reasons(runtime)
    assert "the clock jumped" in reason


async def test_a_process_tolerates_small_differences(
    runtime: Runtime, clock: ClockService, stopwatch: Stopwatch
) -> None:
    await clock.check()
    stopwatch.seconds += 290

    await clock.check()

    assert await reasons(runtime) == []


async def test_a_jump_is_told_once_however_many_notice(runtime: Runtime, clock: ClockService, database: str) -> None:
    told: list[PauseCause] = []
    await note(database, "15 days")
    await replace(clock, observe=told.append).check()
    await note(database, "15 days")

    await replace(clock, observe=told.append).check()

    assert len(await reasons(runtime)) == 1
    assert told == [PauseCause.CLOCK]


async def test_confirming_the_clock_takes_it_as_it_is_also_backwards(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(2)
    await note(database, "-10 days")
    await sweep(runtime)
    (pause,) = await runtime.deletion.pauses.list(is_open=True)

    await runtime.deletion.pauses.resume(pause.id, confirm=pause.files, by="admin")
    seen_at = await noted(database)
    report = await sweep(runtime)

    assert seen_at is not None
    assert abs(seen_at - await runtime.db.now()) < timedelta(minutes=1)
    assert report.status is SweepStatus.COMPLETED
    assert await buried(database) == set(due)


async def test_a_process_forgets_what_it_saw_before_somebody_vouched_for_the_clock(
    runtime: Runtime, clock: ClockService, stopwatch: Stopwatch, database: str
) -> None:
    await clock.check()
    await note(database, "-10 days")
    await runtime.retention.clock.check()
    (pause,) = await runtime.deletion.pauses.list(is_open=True)
    await runtime.deletion.pauses.resume(pause.id, confirm=pause.files, by="admin")
    stopwatch.seconds += 10_000

    await clock.check()

    assert await reasons(runtime) == []


async def test_only_the_databases_clock_counts_wherever_a_sweep_travels(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(2, ends_in=timedelta(days=365))

    await sweep(runtime)
    report = await sweep(runtime, now=await runtime.db.now() + timedelta(days=400))

    assert report.status is SweepStatus.COMPLETED
    assert await buried(database) == set(due)
