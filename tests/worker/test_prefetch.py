"""Jobs claimed ahead: as many as are over at once, none twice, and none that waits for long."""

import asyncio
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.attempts.execution import Execution, TaskOutcome
from media_analysis.runtime import Runtime
from media_analysis.worker import service
from media_analysis.worker.prefetch import SHORT_SECONDS, Prefetch
from media_analysis.worker.service import running_worker
from tests.conftest import execute, fetch
from tests.worker.workers import jobs_of, options, queue_job, statuses, until, until_ended

pytestmark = pytest.mark.usefixtures("plugged_in")
SHORT = 60
LONG = 12
SLOTS = 2
LEASE = timedelta(minutes=1)
_TRIED = """UPDATE analysis_jobs SET attempts = 1, priority = -1 WHERE parameters @> '{"endless": true}'"""


class AtOnce(Execution):
    """Runs end at once, without a child, or not at all."""

    async def _analyse(self, run: Attempt) -> TaskOutcome:
        if run.parameters.get("endless"):
            await asyncio.Event().wait()
        return TaskOutcome([], 0)


@pytest.fixture
def quick(runtime: Runtime) -> Iterator[Runtime]:
    """Return services whose runs take no time."""
    own = runtime.jobs.execution
    vars(runtime.jobs)["execution"] = AtOnce(**{part.name: getattr(own, part.name) for part in fields(Execution)})
    yield runtime
    vars(runtime.jobs)["execution"] = own


async def queue_jobs(runtime: Runtime, source: MediaFile, count: int, *, endless: bool = False) -> None:
    await asyncio.gather(*(queue_job(runtime, source, endless=endless) for _ in range(count)))


async def test_short_jobs_are_claimed_many_at_once_and_each_runs_once(
    quick: Runtime, source: MediaFile, database: str
) -> None:
    await queue_jobs(quick, source, SHORT)

    async with running_worker(quick, options(concurrency=SLOTS, heartbeat=LEASE)):
        jobs = await until_ended(database)

    assert statuses(jobs) == {"completed": SHORT}
    assert {(job["attempts"], job["fence"]) for job in jobs.values()} == {(1, 1)}
    ((claims,),) = await fetch(database, "SELECT count(DISTINCT begun_at) FROM analysis_jobs")
    assert claims < SHORT / SLOTS


async def test_what_turns_out_to_wait_behind_long_ones_is_handed_back_as_if_it_had_not_begun(
    quick: Runtime, source: MediaFile, database: str
) -> None:
    await queue_jobs(quick, source, SHORT)
    await queue_jobs(quick, source, LONG, endless=True)

    held = await jobs_of(database)

    async def only_slots_run() -> bool:
        held.update(await jobs_of(database))
        return statuses(held) == {"completed": SHORT, "running": SLOTS, "pending": LONG - SLOTS}

    async with running_worker(quick, options(concurrency=SLOTS, heartbeat=LEASE)):
        await until(only_slots_run)
    handed_back = await jobs_of(database)

    assert {job["attempts"] for job in held.values() if job["status"] == "pending"} == {0}
    assert statuses(handed_back) == {"completed": SHORT, "pending": LONG}
    assert {job["attempts"] for job in handed_back.values() if job["status"] == "pending"} == {0}


async def test_who_stops_hands_back_what_still_waits(
    quick: Runtime, source: MediaFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE", LEASE)
    await queue_jobs(quick, source, SHORT)
    await queue_jobs(quick, source, LONG, endless=True)

    async def more_are_claimed_than_fit() -> bool:
        found = statuses(await jobs_of(database))
        return found["completed"] == SHORT and found["running"] > SLOTS

    async with running_worker(quick, options(concurrency=SLOTS, heartbeat=timedelta(hours=1))):
        await until(more_are_claimed_than_fit)
    jobs = (await jobs_of(database)).values()

    assert {job["status"] for job in jobs} <= {"completed", "pending"}
    assert {job["attempts"] for job in jobs if job["status"] == "pending"} == {0}


async def test_who_was_tried_before_is_not_kept_waiting_beside_what_may_take_the_worker_along(
    quick: Runtime, source: MediaFile, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PATIENCE", LEASE)
    await queue_jobs(quick, source, SHORT)
    await queue_jobs(quick, source, LONG, endless=True)
    await execute(database, _TRIED)

    async def attempts_of_slots_alone() -> bool:
        jobs = await jobs_of(database)
        attempts = sorted(job["attempts"] for job in jobs.values() if job["status"] != "completed")
        only_slots = {"completed": SHORT, "running": SLOTS, "pending": LONG - SLOTS}
        return statuses(jobs) == only_slots and attempts == [1] * (LONG - SLOTS) + [2] * SLOTS

    async with running_worker(quick, options(concurrency=SLOTS, heartbeat=timedelta(hours=1))):
        await until(attempts_of_slots_alone)


def attempt(kind: str = "tiny") -> Attempt:
    facts = dict.fromkeys(field.name for field in fields(Attempt)) | {"kind": kind, "job_id": object()}
    return Attempt(**facts)  # type: ignore[arg-type] # of which only the kind counts


class Clock:
    """Stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_there_is_reason_for_as_many_as_ended_soon_of_late() -> None:
    clock = Clock()
    ahead = Prefetch(timedelta(seconds=1), clock)

    for seconds in (0.01, 0.01, SHORT_SECONDS, 3_600, 0.01):
        ahead.note(seconds)
    soon = ahead.room
    clock.now = 2 * SHORT_SECONDS
    later = ahead.room

    assert (soon, later) == (3, 0)


def test_no_more_are_wanted_while_more_than_half_of_them_wait() -> None:
    ahead = Prefetch(timedelta(seconds=1), Clock())
    for _ in range(4):
        ahead.note(0)

    rooms = []
    for _ in range(3):
        rooms.append(ahead.room)
        ahead.add(attempt())
    rooms.append(ahead.room)

    assert rooms == [4, 3, 2, 0]


def test_the_first_that_fits_is_taken_and_none_that_waited_too_long() -> None:
    clock = Clock()
    ahead = Prefetch(timedelta(seconds=1), clock)
    old, probe, tiny = attempt(), attempt("probe"), attempt()

    ahead.add(old)
    clock.now = 1.5
    ahead.add(probe)
    ahead.add(tiny)
    taken = [ahead.take(lambda kind: kind == "tiny"), ahead.take(lambda kind: kind == "tiny")]

    assert taken == [tiny, None]
    assert ahead.take_overdue() == [old]
    assert ahead.take_all() == [probe]
    assert not ahead
