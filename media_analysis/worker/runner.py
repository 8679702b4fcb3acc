"""From an entry of the queue to a run of its job, and back to what becomes of the entry."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import anyio
import structlog
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job

from media_analysis.errors import Unavailable
from media_analysis.jobs.attempts.execution import Done, Execution, Outcome, Retry
from media_analysis.telemetry.metrics import Metrics

log = structlog.get_logger()
RETRIED: Final = "retried"


@dataclass
class Runner:
    """Runs the jobs of entries, several at once; the queue hears nothing but that an entry is done, or to put it back.

    The library deletes the entry of a task that ends as cancelled, so no cancellation ever reaches it.
    """

    execution: Execution
    metrics: Metrics
    worker: str
    stopping: bool = False
    _runs: set[asyncio.Task[Outcome]] = field(default_factory=set)

    async def run(self, entry: Job, context: Context) -> None:
        """Run the job of an entry to an end, or until it is called off.

        Raises:
            RetryRequested: the entry goes back to the queue.

        """
        if self.stopping or entry.payload is None:
            raise RetryRequested
        job_id = UUID(entry.payload.decode())
        running = asyncio.create_task(self.execution.run(job_id, worker=self.worker))
        called_off = asyncio.create_task(_wait_for(context.cancellation))
        self._runs.add(running)
        with self.metrics.job_running(entry.entrypoint):
            with suppress(asyncio.CancelledError):
                await asyncio.wait({running, called_off}, return_when=asyncio.FIRST_COMPLETED)
            for task in (running, called_off):
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({running, called_off})
        self._runs.discard(running)
        self._conclude(entry, running, called_off=context.cancellation.cancel_called)

    def hand_back(self) -> None:
        """Break off what runs; each job goes back to the queue."""
        for running in self._runs:
            running.cancel()

    def _conclude(self, entry: Job, ended: asyncio.Task[Outcome], *, called_off: bool) -> None:
        if not ended.done() or ended.cancelled():
            if called_off:
                return
            raise RetryRequested
        error = ended.exception()
        if error is not None:
            self._note(entry, error)
            raise RetryRequested(self.execution.options.delay(1))
        match ended.result():
            case Retry(delay):
                self.metrics.observe_job(entry.entrypoint, RETRIED)
                raise RetryRequested(delay)
            case Done(status):
                if status is not None:
                    self.metrics.observe_job(entry.entrypoint, status)

    def _note(self, entry: Job, error: BaseException) -> None:
        """Log why nobody knows how a run went; the next one starts anew, and its claims are counted."""
        about = {"entry": entry.id, "kind": entry.entrypoint, "worker": self.worker}
        if isinstance(error, Unavailable):
            log.warning("run.lost", code=error.code, **about)
        else:
            log.error("run.crashed", exc_info=error, **about)


async def _wait_for(cancellation: anyio.CancelScope) -> None:
    with cancellation:
        await anyio.sleep_forever()
