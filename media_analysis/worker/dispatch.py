"""Taking entries from the queue: never more than can run here at once, so that other workers get the rest."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Context, Job
from pgqueuer.domain.types import JobId, QueueEntrypoint, QueueManagerId

from media_analysis.worker.connection import QueueConnection
from media_analysis.worker.entries import HeldEntries
from media_analysis.worker.slots import Slots


@dataclass(kw_only=True)
class Dispatcher(QueueManager):
    """The library's loop with limits of this process instead of its own, which are the whole fleet's.

    While nothing can be taken it asks nothing: a slot that becomes free wakes it, and so does a new entry.
    """

    entries: HeldEntries
    connection: QueueConnection
    slots: Slots

    def __post_init__(self) -> None:
        self.queue_manager_id = QueueManagerId(self.entries.holder)
        self.entries.on_lost = self.call_off

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        return {QueueEntrypoint(kind) for kind in self.slots.room(self.entrypoint_registry)}

    async def fetch_jobs(
        self,
        batch_size: int,  # noqa: ARG002 - the room there is decides
        global_concurrency_limit: int | None,  # noqa: ARG002 - as above
        heartbeat_timeout: timedelta,
    ) -> AsyncGenerator[Job, None]:
        """Yield entries that can run now, those whose turn it is first."""
        while not self.shutdown.is_set() and (room := self.slots.room(self.entrypoint_registry)):
            self.connection.expect()
            job = await self.entries.pick(map(QueueEntrypoint, room), heartbeat_timeout=heartbeat_timeout)
            if job is None:
                return
            self.slots.take(job.id, job.entrypoint)
            yield job

    def forget_job(self, job_id: JobId, context: Context, task: asyncio.Task[None]) -> None:
        """Free the slot of a job, unless it was picked again already."""
        super().forget_job(job_id, context, task)
        if job_id not in self.job_context:
            self.slots.release(job_id)
        self.connection.wake()

    def call_off(self, lost: Collection[JobId]) -> None:
        """Stop jobs whose entries are not ours any more."""
        for job_id in lost:
            if context := self.job_context.get(job_id):
                context.cancellation.cancel()

    async def _effective_dequeue_timeout(self, dequeue_timeout: timedelta) -> timedelta:
        """Return how long nobody has to look, unless woken."""
        kinds = self.entrypoints_below_capacity_limits()
        due_in = await self.entries.due_in(kinds) if kinds else None
        if due_in is None:
            return dequeue_timeout
        return min(max(due_in, self.min_dequeue_poll_interval), dequeue_timeout)
