"""Watching jobs: every event once and in order, whatever becomes of the connection that announces them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from media_analysis.events.types import EventType
from media_analysis.jobs.attempts.attempt import Attempt, Failure
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.events import JobEvent, add_event
from media_analysis.jobs.watching import PAGE, Watch, WatchService
from media_analysis.runtime import Runtime
from tests.claims import claim_job
from tests.conftest import StoreFile, execute, fetch
from tests.files.conftest import eventually

DEADLINE_SECONDS = 60
LISTENERS = "application_name = 'media-analysis job_events' AND datname = current_database()"


@pytest.fixture
async def job_id(runtime: Runtime, store_file: StoreFile) -> UUID:
    """A job that waits; its first event says so."""
    source = await store_file()
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))
    return job.id


@pytest.fixture
async def run(runtime: Runtime, job_id: UUID) -> Attempt:
    """The job's run, which is its second event."""
    claimed = await claim_job(runtime, job_id, worker="w")
    assert claimed is not None
    return claimed


@pytest.fixture
async def unpolled(runtime: Runtime, database: str) -> AsyncIterator[WatchService]:
    """Watching that hears of events by announcement alone."""
    yield WatchService(runtime.db, poll_seconds=3_600)
    await eventually(lambda: counted(database, 0))


@pytest.fixture
async def polled(runtime: Runtime) -> WatchService:
    """Watching that looks again soon."""
    return WatchService(runtime.db, poll_seconds=0.05)


async def counted(database: str, expected: int) -> bool:
    """Tell whether so many connections listen."""
    rows = await fetch(
        database, f"SELECT 1 FROM pg_stat_activity WHERE {LISTENERS} AND state = 'idle' AND query LIKE 'LISTEN%'"
    )
    return len(rows) == expected


async def read(watch: Watch, count: int) -> list[JobEvent]:
    """Read until there are so many events, or nothing more follows."""
    found: list[JobEvent] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(found) < count and not watch.over:
            found += await watch.next(within=DEADLINE_SECONDS)
    return found


async def progress(runtime: Runtime, job_id: UUID, number: int) -> None:
    async with runtime.db.transaction() as session:
        await add_event(session, job_id, EventType.JOB_PROGRESS, {"n": number})


async def add_in_silence(database: str, job_id: UUID, number: int) -> None:
    """Add an event as if its announcement had been lost."""
    await execute(
        database,
        f"UPDATE analysis_jobs SET last_event = {number} WHERE id = '{job_id}'",
        f"INSERT INTO events (owner, type, job_id, number) VALUES ('alice', 'job.progress', '{job_id}', {number})",
    )


def numbers(events: list[JobEvent]) -> list[int]:
    return [event.number for event in events]


async def test_a_watch_reads_a_job_from_its_first_event_to_its_end_and_is_over(
    runtime: Runtime, unpolled: WatchService, run: Attempt
) -> None:
    async with unpolled.watch(run.job_id) as watch:
        past = await read(watch, 2)
        was_over = watch.over
        await runtime.jobs.attempts.tell_progress(
            run.job_id, fence=run.fence, share=0.5, stage="frames", done=1, total=2
        )
        await runtime.jobs.attempts.warn(run.job_id, fence=run.fence, code="truncated", detail="d")
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
        rest = await read(watch, 3)

    assert [event.data["status"] for event in past] == ["pending", "running"]
    assert not was_over
    assert [event.kind for event in rest] == ["progress", "warning", "status"]
    assert rest[0].data == {"progress": 0.5, "stage": "frames", "done": 1, "total": 2}
    assert numbers(past + rest) == [1, 2, 3, 4, 5]
    assert watch.over


async def test_many_writers_at_once_leave_neither_gaps_nor_disorder(
    runtime: Runtime, unpolled: WatchService, job_id: UUID
) -> None:
    writers, each = 8, 40

    async def write(writer: int) -> None:
        for number in range(each):
            await progress(runtime, job_id, writer * each + number)

    async with unpolled.watch(job_id) as watch:
        reading = asyncio.create_task(read(watch, 1 + writers * each))
        await asyncio.gather(*map(write, range(writers)))
        found = await reading

    assert numbers(found) == list(range(1, 2 + writers * each))
    assert {event.data["n"] for event in found[1:]} == set(range(writers * each))


async def test_a_watch_goes_on_behind_the_number_it_is_given(
    runtime: Runtime, unpolled: WatchService, job_id: UUID
) -> None:
    for number in range(PAGE + 10):
        await progress(runtime, job_id, number)

    async with unpolled.watch(job_id, after=7) as watch:
        first = await watch.next(within=0)
        second = await watch.next(within=0)
        third = await watch.next(within=0)

    assert numbers([*first]) == list(range(8, 8 + PAGE))
    assert numbers([*second]) == list(range(8 + PAGE, PAGE + 12))
    assert list(third) == []
    assert not watch.over


async def test_an_announced_event_wakes_only_those_who_watch_that_job(
    runtime: Runtime, unpolled: WatchService, job_id: UUID, database: str, store_file: StoreFile
) -> None:
    source = await store_file()
    other = await runtime.jobs.control.create(
        NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id])
    )
    async with unpolled.watch(job_id, after=1) as watch, unpolled.watch(other.id, after=1) as asleep:
        await eventually(lambda: counted(database, 1))
        for each in (watch, asleep):
            await each.next(within=0)  # what began to be heard is no news

        await progress(runtime, job_id, 1)
        (told,) = await read(watch, 1)
        nothing = await asleep.next(within=0)

    assert told.number == 2
    assert list(nothing) == []


async def test_what_happens_while_nobody_listens_is_read_when_somebody_does_again(
    runtime: Runtime, unpolled: WatchService, job_id: UUID, database: str
) -> None:
    async with unpolled.watch(job_id, after=1) as watch:
        await eventually(lambda: counted(database, 1))
        await watch.next(within=0)

        await execute(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENERS}")
        await progress(runtime, job_id, 1)
        missed = await read(watch, 1)
        await eventually(lambda: counted(database, 1))
        await watch.next(within=0)
        await progress(runtime, job_id, 2)
        announced = await read(watch, 1)

    assert numbers(missed + announced) == [2, 3]


async def test_an_event_that_was_never_announced_is_found_by_looking(
    polled: WatchService, job_id: UUID, database: str
) -> None:
    async with polled.watch(job_id, after=1) as watch:
        await eventually(lambda: counted(database, 1))
        await watch.next(within=0)

        await add_in_silence(database, job_id, 2)
        found = await read(watch, 1)

    assert numbers(found) == [2]


async def test_every_connection_may_die_and_the_watch_goes_on(
    runtime: Runtime, polled: WatchService, run: Attempt, database: str
) -> None:
    async with polled.watch(run.job_id, after=2) as watch:
        for number in range(3, 6):
            await execute(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            reading = asyncio.create_task(read(watch, 1))
            await add_in_silence(database, run.job_id, number)
            assert numbers(await reading) == [number]


async def test_a_failed_job_is_over_until_it_is_tried_again(
    runtime: Runtime, polled: WatchService, run: Attempt
) -> None:
    await runtime.jobs.attempts.fail(run.job_id, fence=run.fence, failure=Failure(code="corrupt_media", detail="d"))
    async with polled.watch(run.job_id) as watch:
        failed = await read(watch, 3)
    await runtime.jobs.control.retry(run.job_id, owner="alice")
    async with polled.watch(run.job_id, after=3) as again:
        retried = await read(again, 1)

    assert failed[-1].data == {"status": "failed", "error": {"code": "corrupt_media", "detail": "d"}}
    assert watch.over
    assert [event.data["status"] for event in retried] == ["pending"]
    assert not again.over


async def test_a_watch_of_a_job_that_is_deleted_ends(polled: WatchService, job_id: UUID, database: str) -> None:
    async with polled.watch(job_id, after=1) as watch:
        await watch.next(within=0)
        await execute(
            database,
            f"UPDATE analysis_jobs SET deleted_at = now(), last_event = last_event + 1 WHERE id = '{job_id}'",
            f"DELETE FROM job_events WHERE job_id = '{job_id}'",
        )
        found = await read(watch, 1)

    assert found == []
    assert watch.over


async def test_the_end_of_the_process_ends_every_watch_at_once_and_lets_none_begin(
    unpolled: WatchService, job_id: UUID
) -> None:
    async with unpolled.watch(job_id, after=1) as watch:
        waiting = asyncio.create_task(read(watch, 1))
        unpolled.end()
        found = await waiting
    async with unpolled.watch(job_id) as late:
        nothing = await late.next(within=DEADLINE_SECONDS)

    assert found == []
    assert watch.over
    assert list(nothing) == []
    assert late.over


async def test_hundreds_of_watches_share_one_listening_connection_and_hold_no_other(
    runtime: Runtime, unpolled: WatchService, run: Attempt, database: str
) -> None:
    async with AsyncExitStack() as opened:
        watches = [await opened.enter_async_context(unpolled.watch(run.job_id, after=2)) for _ in range(200)]
        await eventually(lambda: counted(database, 1))
        for watch in watches:
            await watch.next(within=0)
        reading = [asyncio.create_task(read(watch, 2)) for watch in watches]
        held = runtime.db.engine.pool.checkedout()  # type: ignore[attr-defined]

        await progress(runtime, run.job_id, 1)
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
        found = await asyncio.gather(*reading)

        assert held == 0
        assert await counted(database, 1)
    assert [numbers(events) for events in found] == [[3, 4]] * 200


async def test_the_last_watch_to_leave_closes_the_connection_and_the_next_one_opens_another(
    unpolled: WatchService, job_id: UUID, database: str
) -> None:
    for _ in range(2):
        async with unpolled.watch(job_id), unpolled.watch(job_id, after=1):
            await eventually(lambda: counted(database, 1))
        await eventually(lambda: counted(database, 0))
