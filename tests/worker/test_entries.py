"""Entries of the queue end, stay and come back only for who holds them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import JobId, QueueEntrypoint

from media_analysis.worker.entries import HeldEntries, entries_held_by
from tests.conftest import fetch

KIND = QueueEntrypoint("tiny")
ALIVE = timedelta(minutes=1)
SILENT = timedelta(0)


@pytest.fixture
async def driver(database: str) -> AsyncIterator[AsyncpgDriver]:
    connection = await asyncpg.connect(database)
    yield AsyncpgDriver(connection)
    await connection.close()


@pytest.fixture
def first(driver: AsyncpgDriver) -> HeldEntries:
    return entries_held_by(uuid4(), driver)


@pytest.fixture
def second(driver: AsyncpgDriver) -> HeldEntries:
    return entries_held_by(uuid4(), driver)


async def pick(entries: HeldEntries, *, heartbeat_timeout: timedelta = ALIVE) -> Job:
    job = await entries.pick([KIND], heartbeat_timeout=heartbeat_timeout)
    assert job is not None
    return job


async def entries_of(database: str) -> list[tuple[object, ...]]:
    rows = await fetch(database, "SELECT id, status::text, queue_manager_id, heartbeat FROM queue.pgqueuer")
    return [tuple(row) for row in rows]


async def test_an_entry_is_ended_kept_and_put_back_only_by_its_holder(
    first: HeldEntries, second: HeldEntries, database: str
) -> None:
    """The first was taken for dead, and wakes up."""
    await first.enqueue(KIND, b"a job")
    job = await pick(first)
    taken_over = await pick(second, heartbeat_timeout=SILENT)
    lost: list[JobId] = []
    first.on_lost = lost.extend
    held = await entries_of(database)

    await first.log_jobs([(job, "successful", None)])
    await first.retry_job(job, timedelta(), None)
    await first.update_heartbeat([job.id])
    after_the_first = await entries_of(database)
    await second.retry_job(taken_over, timedelta(), None)
    again = await pick(second)
    await second.log_jobs([(again, "successful", None)])

    assert taken_over.id == job.id
    assert after_the_first == held
    assert lost == [job.id]
    assert await entries_of(database) == []


async def test_an_entry_whose_end_could_not_be_told_stays(first: HeldEntries, database: str) -> None:
    await first.enqueue(KIND, b"a job")
    job = await pick(first)

    await first.log_jobs([(job, "exception", None)])

    assert [(status, holder) for _, status, holder, _ in await entries_of(database)] == [("picked", first.holder)]


async def test_it_is_known_when_the_next_entry_is_due(first: HeldEntries) -> None:
    without_any = await first.due_in([KIND])
    await first.enqueue(KIND, b"later", execute_after=timedelta(hours=1))
    later = await first.due_in([KIND])
    await first.enqueue(KIND, b"now")
    now = await first.due_in([KIND])

    assert without_any is None
    assert later is not None
    assert timedelta(minutes=59) < later <= timedelta(hours=1)
    assert now is not None
    assert now <= timedelta(0)
