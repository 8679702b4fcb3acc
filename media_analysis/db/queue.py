"""The job queue's own tables, and enqueueing into them within a transaction of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

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

END_LOG: Final = "DELETE FROM queue.pgqueuer_log"
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


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEntry:
    """A job about to be queued."""

    job_id: UUID
    kind: str
    owner: str
    priority: int
    lifted: bool
    """Whether its priority counts across owners."""
    delay: timedelta | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What says whose turn it is."""
        return {"owner": self.owner} | ({"lifted": "true"} if self.lifted else {})


async def enqueue(session: AsyncSession, entries: Sequence[NewEntry]) -> list[int]:
    """Put entries into the queue with the caller's transaction and return their ids."""
    queue = await queue_of(session)
    ids = await queue.enqueue(
        [entry.kind for entry in entries],
        [str(entry.job_id).encode() for entry in entries],
        [entry.priority for entry in entries],
        [entry.delay for entry in entries],
        headers=[entry.headers for entry in entries],
    )
    return [int(entry) for entry in ids]


async def withdraw_all(session: AsyncSession, entries: Sequence[int]) -> None:
    """Take entries of jobs that nobody runs out of the queue with the caller's transaction."""
    queue = await queue_of(session)
    given = (list(entries), ["canceled"] * len(entries), [None] * len(entries))
    await queue.driver.execute(queue.qbq.build_log_job_query(), *given)


async def withdraw(session: AsyncSession, entry: int) -> None:
    """Take an entry out of the queue with the caller's transaction, and tell whoever runs it to stop."""
    queue = await queue_of(session)
    await queue.mark_job_as_cancelled([entry])  # type: ignore[list-item]
