"""Queue entries stand and fall with the transaction they are made in."""

from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from media_analysis.db.queue import NewEntry, enqueue, withdraw
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from tests.conftest import StoreFile, execute, fetch

REFUSE = "ALTER TABLE job_events ADD CONSTRAINT refused CHECK (kind <> 'status') NOT VALID"
"""What the last statement of a creation runs into, behind the enqueueing."""
ALLOW = "ALTER TABLE job_events DROP CONSTRAINT refused"

ENTRY = NewEntry(job_id=UUID(int=1), kind="probe", owner="alice", priority=0, lifted=False)


async def create(runtime: Runtime, store_file: StoreFile) -> AnalysisJob:
    source = await store_file(b"a source")
    return await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))


async def count(database: str, table: str) -> int:
    return len(await fetch(database, f"SELECT FROM {table}"))


async def test_a_created_job_and_its_entry_are_there_together(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    job = await create(runtime, store_file)

    (entry,) = await fetch(database, "SELECT id, entrypoint, payload, status::text FROM queue.pgqueuer")
    assert tuple(entry) == (job.queue_id, "probe", str(job.id).encode(), "queued")


async def test_a_creation_that_is_rolled_back_leaves_neither_job_nor_entry(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await execute(database, REFUSE)
    try:
        with pytest.raises(Exception, match="refused"):
            await create(runtime, store_file)
    finally:
        await execute(database, ALLOW)

    assert await count(database, "analysis_jobs") == 0
    assert await count(database, "queue.pgqueuer") == 0


async def test_nobody_hears_of_an_entry_before_it_is_committed(runtime: Runtime, database: str) -> None:
    listening = await asyncpg.connect(database)
    heard: list[object] = []
    await listening.add_listener("media_analysis_queue", lambda *said: heard.append(said))
    try:
        async with runtime.db.transaction() as session:
            await session.execute(text("SELECT 1"))
            await enqueue(session, [ENTRY])
            await listening.execute("SELECT 1")
            heard_before = list(heard)
        await listening.execute("SELECT 1")
    finally:
        await listening.close()

    assert heard_before == []
    assert len(heard) == 1


async def test_an_entry_before_the_first_statement_is_refused(runtime: Runtime, database: str) -> None:
    """SQLAlchemy has not begun then, and the entry would commit alone."""
    with pytest.raises(RuntimeError, match="first statement"):
        async with runtime.db.transaction() as session:
            await enqueue(session, [ENTRY])

    assert await count(database, "queue.pgqueuer") == 0


async def test_a_withdrawal_that_is_rolled_back_leaves_the_entry(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    job = await create(runtime, store_file)
    assert job.queue_id is not None

    with pytest.raises(DBAPIError, match="division by zero"):  # noqa: PT012 - the error ends the transaction
        async with runtime.db.transaction() as session:
            await session.execute(text("SELECT 1"))
            await withdraw(session, job.queue_id)
            await session.execute(text("SELECT 1 / 0"))

    assert await count(database, "queue.pgqueuer") == 1
