"""The job queue's own tables, and enqueueing into them within a transaction of ours."""

from datetime import timedelta
from typing import Final

from asyncpg import Connection
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver
from sqlalchemy.ext.asyncio import AsyncSession

# Every name is given: what is left out, the library would read from the environment.
QUEUE: Final = DBSettings(
    prefix="",
    db_schema="queue",
    channel=Channel("media_analysis_queue"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)


def queue_schema() -> QueryBuilderEnvironment:
    """Return what writes the queue's DDL."""
    return QueryBuilderEnvironment(QUEUE)


def queue_on(driver: Driver) -> Queries:
    """Return the queue's statements over a connection of its driver."""
    return Queries(driver, queue_schema(), QueryQueueBuilder(QUEUE), QuerySchedulerBuilder(QUEUE))


async def queue_of(session: AsyncSession) -> Queries:
    """Return the queue's statements inside the session's transaction: they commit and roll back with it.

    SQLAlchemy begins lazily, at its own first statement; before that the queue's would commit alone.
    """
    await session.flush()
    connection = await (await session.connection()).get_raw_connection()
    raw = connection.driver_connection
    if not isinstance(raw, Connection) or not raw.is_in_transaction():
        raise RuntimeError("nothing may be queued before the transaction's first statement")
    return queue_on(AsyncpgDriver(raw))


async def enqueue(
    session: AsyncSession, entrypoint: str, payload: bytes, *, priority: int, delay: timedelta | None = None
) -> int:
    """Put an entry into the queue with the caller's transaction and return its id; higher priorities go first."""
    queue = await queue_of(session)
    (entry,) = await queue.enqueue(entrypoint, payload, priority, execute_after=delay)
    return int(entry)


async def withdraw(session: AsyncSession, entry: int) -> None:
    """Take an entry out of the queue with the caller's transaction, and tell whoever runs it to stop."""
    queue = await queue_of(session)
    await queue.mark_job_as_cancelled([entry])  # type: ignore[list-item]
