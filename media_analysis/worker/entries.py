"""Entries of the queue under the name of who holds them."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from pgqueuer.adapters.persistence.qb import QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.models import Job, TracebackRecord
from pgqueuer.domain.types import JOB_STATUS, JobId, QueueEntrypoint
from pgqueuer.ports.driver import Driver

from media_analysis.db.queue import QUEUE, queue_schema
from media_analysis.db.turns import SERVED, WaitingLine, choice
from media_analysis.worker.connection import CHANGED

_TABLE: Final = QUEUE.qualified.queue_table
_END: Final = f"DELETE FROM {_TABLE} WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2"  # noqa: S608 - constants
_KEEP: Final = f"""
    UPDATE {_TABLE} SET heartbeat = now() WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2 RETURNING id
"""  # noqa: S608 - as above
# The library's trigger tells of no update: without a notice others would find it only when they look again.
_PUT_BACK: Final = f"""
    WITH put_back AS (
        UPDATE {_TABLE} SET status = 'queued', execute_after = now() + $3::interval, attempts = attempts + 1,
            updated = now(), queue_manager_id = NULL
        WHERE id = $1 AND queue_manager_id = $2 RETURNING id
    )
    SELECT pg_notify($4, $5) FROM put_back
"""  # noqa: S608 - as above
_WAITING: Final = WaitingLine(
    table=_TABLE,
    # Expressions: else, knowing too little of what waits, the planner takes an index of the library's, and sorts.
    condition="coalesce(status, status) = 'queued'",
    kind="('' || entrypoint)",
    owner="coalesce(headers ->> 'owner', '')",
    ordinary="(headers ->> 'lifted' IS NULL)",
    rank="(-priority::bigint)",
    fresh="(attempts = 0)",
    due="execute_after",
)
_RUNNING: Final = f"""
    SELECT {_WAITING.owner} AS owner, count(*) AS jobs FROM {_TABLE}
    WHERE status = 'picked' AND entrypoint = ANY($1::text[]) GROUP BY 1
"""  # noqa: S608 - as above
PICK: Final = f"""
    WITH RECURSIVE silent AS (
        SELECT id FROM {_TABLE}
        WHERE status = 'picked' AND entrypoint = ANY($1::text[]) AND heartbeat < now() - $3::interval
        ORDER BY heartbeat LIMIT 1 FOR UPDATE SKIP LOCKED
    ), {choice(_WAITING, kinds="$1::text[]", now="now()", running=_RUNNING)}, picked AS (
        UPDATE {_TABLE} SET status = 'picked', updated = now(), heartbeat = now(), queue_manager_id = $2
        WHERE id = coalesce((SELECT id FROM silent), (SELECT id FROM chosen)) RETURNING *
    ), turn_taken AS (
        {SERVED.format(served=f"SELECT {_WAITING.owner}, entrypoint, now() FROM picked")}
    )
    SELECT * FROM picked
"""  # noqa: S608 - as above
_DUE_IN: Final = f"""
    SELECT min(first.execute_after) - now() AS due_in FROM unnest($1::text[]) AS kind(name) CROSS JOIN LATERAL (
        SELECT execute_after FROM {_TABLE} WHERE status = 'queued' AND entrypoint = kind.name
        ORDER BY execute_after LIMIT 1
    ) AS first
"""  # noqa: S608 - as above


def _ignore(_lost: Collection[JobId]) -> None: ...


@dataclass
class HeldEntries(Queries):
    """The queue's statements, where those that end, keep or put back an entry do so only for who holds it.

    The library's own go by the entry alone: a worker that woke up late would end or keep the entry of the worker that
    took over. What happened to a job is in its events, so an entry that ends is not written to the queue's log again.
    """

    holder: UUID = field(kw_only=True)
    on_lost: Callable[[Collection[JobId]], None] = field(default=_ignore, kw_only=True)
    """Told of entries that somebody else holds now, or that were withdrawn."""

    async def pick(self, kinds: Iterable[QueueEntrypoint], *, heartbeat_timeout: timedelta) -> Job | None:
        """Take the entry of these kinds whose turn it is; one whose holder fell silent goes before all.

        One at a time: whose turn is next depends on it. Two at once never take the same.
        """
        rows = await self.driver.fetch(PICK, list(kinds), self.holder, heartbeat_timeout)
        return Job.model_validate(rows[0]) if rows else None

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        """End entries; one whose end could not be told stays, to be picked again when its heartbeat is missing."""
        ended = [entry.id for entry, status, _ in job_status if status != "exception"]
        await self.driver.execute(_END, ended, self.holder)

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        """Keep entries for another while."""
        asked = set(job_ids)
        kept = {row["id"] for row in await self.driver.fetch(_KEEP, list(asked), self.holder)}
        if lost := asked - kept:
            self.on_lost(lost)

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        """Put an entry back, to be picked after a delay."""
        del traceback_record
        await self.driver.fetch(_PUT_BACK, job.id, self.holder, delay, QUEUE.channel, CHANGED)

    async def due_in(self, kinds: Iterable[QueueEntrypoint]) -> timedelta | None:
        """Return when the first entry of these kinds may be picked, negative for one that may be; None without any."""
        (row,) = await self.driver.fetch(_DUE_IN, list(kinds))
        due_in = row["due_in"]
        return due_in if isinstance(due_in, timedelta) else None


def entries_held_by(holder: UUID, driver: Driver) -> HeldEntries:
    """Return the queue's statements for one holder."""
    return HeldEntries(driver, queue_schema(), QueryQueueBuilder(QUEUE), QuerySchedulerBuilder(QUEUE), holder=holder)
