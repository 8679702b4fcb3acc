"""The worker: takes jobs while it runs, and lets go of them in order when it stops."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog

from media_analysis.analysis.kinds import load_kinds
from media_analysis.errors import UnknownKind
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.settings.postgres import database_options
from media_analysis.worker.connection import QueueConnection
from media_analysis.worker.dispatch import Dispatcher
from media_analysis.worker.entries import entries_held_by
from media_analysis.worker.lag import watch_lag
from media_analysis.worker.quiet import quiet_library
from media_analysis.worker.runner import Runner
from media_analysis.worker.slots import Slots

LONGEST_LOOK: Final = timedelta(seconds=5)
"""How long an idle worker goes without looking at the queue, for entries whose worker died: nobody tells of those."""
CLEANUP_SECONDS: Final = 10.0
"""How long jobs may take to be handed back."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOptions:
    """What one worker runs, how much of it, and when it is taken to be dead.

    A worker with a free slot takes over the jobs of a dead one within `heartbeat` plus `look`: 20 seconds by default.
    A job that is cancelled stops as soon as the database tells of it; should that notice be lost, within
    `heartbeat` * 5/8, when the entry is found not to be this worker's any more.
    """

    kinds: Sequence[str]
    concurrency: int = 1
    per_kind: Mapping[str, int] = field(default_factory=dict)
    heartbeat: timedelta = timedelta(seconds=15)
    grace: timedelta = timedelta(seconds=20)

    @property
    def look(self) -> timedelta:
        """How long it goes at most without looking at the queue."""
        return min(self.heartbeat / 3, LONGEST_LOOK)

    @classmethod
    def of(cls, settings: Settings, kinds: Sequence[str] = ()) -> "WorkerOptions":
        """Return what the settings say, for some kinds or all that are known here.

        Raises:
            UnknownKind: nobody here can run one of them.

        """
        known, chosen = sorted(load_kinds()), settings.worker
        for kind in kinds:
            if kind not in known:
                raise UnknownKind(kind, known=known)
        return cls(
            kinds=tuple(dict.fromkeys(kinds)) or known,
            concurrency=chosen.concurrency,
            per_kind=dict(chosen.concurrency_per_kind),
            heartbeat=timedelta(seconds=chosen.heartbeat_seconds),
            grace=timedelta(seconds=chosen.grace_seconds),
        )


class Worker:
    """Takes entries from the queue and runs their jobs, until it is interrupted."""

    def __init__(self, runtime: Runtime, url: str, options: WorkerOptions) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.options = options
        self._connection = QueueConnection(url, database_options(runtime.settings))
        self._runner = Runner(runtime.jobs.execution, runtime.metrics, self.name)
        self._dispatcher: Dispatcher | None = None
        self.ended = asyncio.Event()
        """Set once no job runs here any more."""
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()

    def interrupt(self) -> None:
        """Take no more jobs and let those that run end, for a while; a second time, hand them back now."""
        if self._stopping.is_set():
            self._hurrying.set()
        self.stop()

    def stop(self) -> None:
        """Take no more jobs and let those that run end within the grace; however often said, that is no hurry."""
        self._runner.stopping = True
        self._stopping.set()
        if self._dispatcher is not None:
            self._dispatcher.shutdown.set()

    async def run(self) -> None:
        """Work until interrupted, however often the queue fails; return once no job runs here any more."""
        taking = asyncio.create_task(self._supervise())
        try:
            await self._stopping.wait()
            if not await self._ended(taking, self.options.grace.total_seconds()):
                log.info("worker.handing_back")
                self._runner.hand_back()
                self._connection.shutdown.set()
                await asyncio.wait({taking}, timeout=CLEANUP_SECONDS)
        finally:
            # Broken off from outside it hands back too: cancelled, the queue's loop would wait for its jobs.
            self._stopping.set()
            self._runner.stopping = True
            self._runner.hand_back()
            taking.cancel()
            with suppress(asyncio.CancelledError):
                await taking
            await self._connection.close()
            self.ended.set()

    async def _ended(self, taking: asyncio.Task[None], seconds: float) -> bool:
        """Wait for the end, for so long or until somebody is in a hurry."""
        hurrying = asyncio.create_task(self._hurrying.wait())
        await asyncio.wait({taking, hurrying}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        return taking.done()

    async def _supervise(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                await self._take_jobs()
                pause = FIRST_PAUSE_SECONDS
            except Exception:
                log.exception("worker.queue_failed", next_try_seconds=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _take_jobs(self) -> None:
        options = self.options
        entries = entries_held_by(uuid4(), self._connection)
        dispatcher = Dispatcher(
            queries=entries,
            channel=entries.qbe.settings.channel,
            entries=entries,
            connection=self._connection,
            slots=Slots(options.concurrency, options.per_kind),
        )
        for kind in options.kinds:
            dispatcher.entrypoint(kind, accepts_context=True)(self._runner.run)
        self._dispatcher = dispatcher
        if not self._stopping.is_set():
            await dispatcher.run(
                dequeue_timeout=options.look,
                batch_size=options.concurrency,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=options.heartbeat,
                log_aggregation_interval=timedelta(),
            )


@asynccontextmanager
async def running_worker(runtime: Runtime, url: str, options: WorkerOptions) -> AsyncIterator[Worker]:
    """Run jobs while the block does; at its end none runs here any more, at the latest after grace and clean-up."""
    worker = Worker(runtime, url, options)
    with quiet_library():
        working = asyncio.create_task(worker.run())
        watching = asyncio.create_task(watch_lag(runtime.metrics.observe_loop_lag))
        log.info("worker.started", worker=worker.name, kinds=list(options.kinds), concurrency=options.concurrency)
        try:
            yield worker
            worker.stop()
            await working
        finally:
            for task in (working, watching):
                task.cancel()
            await asyncio.wait({working, watching})
            log.info("worker.stopped", worker=worker.name)
