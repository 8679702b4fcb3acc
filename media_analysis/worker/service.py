"""The worker: takes jobs while it runs, and lets go of them in order when it stops."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from media_analysis import tracing
from media_analysis.analysis.kinds import load_kinds
from media_analysis.db.listening import keep_listening
from media_analysis.errors import Unavailable, UnknownKind
from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.events import WORK_CHANNEL
from media_analysis.jobs.models import JobStatus
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.tracing import SpanKind
from media_analysis.worker.lag import watch_lag
from media_analysis.worker.prefetch import MOST as AHEAD
from media_analysis.worker.prefetch import PATIENCE, Prefetch
from media_analysis.worker.slots import Slots

LONGEST_LOOK: Final = timedelta(seconds=5)
"""How long an idle worker goes without looking for jobs whose worker died: nobody tells of those."""
SHORTEST_LOOK_SECONDS: Final = 0.05
"""How soon it looks again for a job that others have locked."""
CLEANUP_SECONDS: Final = 10.0
"""How long jobs may take to be handed back."""
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
RETRIED: Final = "retried"
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerOptions:
    """What one worker runs, how much of it, and when it is taken to be dead.

    A worker with a free slot takes over the jobs of a dead one within `heartbeat` plus `look`: 20 seconds by default.
    A job that is cancelled stops as soon as the database tells of it; should that notice be lost, within a third of
    `heartbeat`, when the next sign of life is refused.
    """

    kinds: Sequence[str]
    concurrency: int = 1
    per_kind: Mapping[str, int] = field(default_factory=dict)
    heartbeat: timedelta = timedelta(seconds=15)
    grace: timedelta = timedelta(seconds=20)

    @property
    def look(self) -> timedelta:
        """How long it goes at most without looking for jobs."""
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
    """Claims jobs, as many as there is room for, and runs them until it is interrupted."""

    def __init__(self, runtime: Runtime, options: WorkerOptions) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.options = options
        self.ended = asyncio.Event()
        """Set once no job runs here any more."""
        self._db = runtime.db
        self._jobs = runtime.jobs
        self._store = runtime.store
        self._metrics = runtime.metrics
        self._slots = Slots(options.concurrency, options.per_kind)
        self._ahead = Prefetch(min(PATIENCE, options.heartbeat / 3))
        self._runs: dict[asyncio.Task[None], Attempt] = {}
        self._bell = asyncio.Event()
        """Rings when a job may be there for a free slot."""
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._handing_back = False

    def interrupt(self) -> None:
        """Take no more jobs and let those that run end, for a while; a second time, hand them back now."""
        if self._stopping.is_set():
            self._hurrying.set()
        self.stop()

    def stop(self) -> None:
        """Take no more jobs and let those that run end within the grace; however often said, that is no hurry."""
        self._stopping.set()
        self._bell.set()

    async def run(self) -> None:
        """Work until interrupted, however often the database fails; return once no job runs here any more."""
        hearing = asyncio.create_task(keep_listening(self._db, WORK_CHANNEL, ready=self._bell.set, hear=self._hear))
        working = asyncio.create_task(self._work())
        try:
            await self._stopping.wait()
            if not await self._ended(working, self.options.grace.total_seconds()):
                log.info("worker.handing_back")
        finally:
            self.stop()
            await self._hand_back(working)
            hearing.cancel()
            await asyncio.wait({hearing})
            self.ended.set()

    async def _ended(self, working: asyncio.Task[None], seconds: float) -> bool:
        """Wait until all that runs has ended, for so long or until somebody is in a hurry."""
        hurrying = asyncio.create_task(self._hurrying.wait())
        await asyncio.wait({working, hurrying}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        return working.done()

    async def _hand_back(self, working: asyncio.Task[None]) -> None:
        """Break off what runs; each job waits for another worker."""
        self._handing_back = True
        await asyncio.sleep(0)  # a task that has not begun would not know that it was cancelled
        while not working.done():
            for task in self._runs:
                task.cancel()
            await asyncio.wait({working}, timeout=CLEANUP_SECONDS)

    async def _work(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                seconds, pause = await self._take_jobs(), FIRST_PAUSE_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may do better
                log.warning("worker.claim_failed", reason=str(error), next_try_seconds=pause)
                seconds, pause = pause, min(2 * pause, LONGEST_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._bell.wait()
        await self._give_back(self._ahead.take_all())
        if self._runs:
            await asyncio.wait(self._runs)

    async def _take_jobs(self) -> float:
        """Fill the slots, and return how many seconds nobody has to look, unless the bell rings."""
        longest = self.options.look.total_seconds()
        while True:
            self._bell.clear()
            await self._give_back(self._ahead.take_overdue())
            room = self._slots.room(self.options.kinds)
            # As many as may run of each kind, whichever they are; where kinds have limits, none are to wait.
            ahead = 0 if self.options.per_kind else self._ahead.room
            limit = min(min(room.values(), default=0) + ahead, self._most - len(self._runs) - len(self._ahead))
            if limit <= 0 or self._stopping.is_set():
                return min(longest, self._ahead.patience_seconds) if self._ahead else longest
            # Whose store does not answer would fail one job after the other, which a worker elsewhere could do.
            await self._store.require_marker()
            claim = await self._jobs.claims.claim(
                list(room or self.options.kinds), worker=self.name, limit=limit, lease=self.options.heartbeat
            )
            await self._accept(claim.attempts)
            if not claim.attempts:
                due = longest if claim.due_in is None else claim.due_in.total_seconds()
                return min(max(due, SHORTEST_LOOK_SECONDS), longest)

    @property
    def _most(self) -> int:
        """How many may be held at once, those included that only wait for their end to be written."""
        return self.options.concurrency + AHEAD

    async def _accept(self, attempts: Sequence[Attempt]) -> None:
        """Begin what fits, and let the rest wait for a slot; who was tried before may have taken its worker along."""
        if any(attempt.attempt > 1 for attempt in attempts):
            self._ahead.stop()
        unwanted = []
        for attempt in attempts:
            if self._slots.fits(attempt.kind) and not self._handing_back:
                self._begin(attempt)
            elif self._stopping.is_set() or attempt.attempt > 1:
                unwanted.append(attempt)
            else:
                self._ahead.add(attempt)
        await self._give_back(unwanted)

    async def _give_back(self, attempts: Iterable[Attempt]) -> None:
        """Let jobs that were claimed and not begun wait for another worker."""
        for attempt in attempts:
            try:
                await self._jobs.execution.hand_back(attempt, begun=False)
            except Unavailable as error:  # whoever takes it over when its lease ends counts this attempt
                log.warning("run.lost", code=error.code, job_id=str(attempt.job_id), worker=self.name)

    def _begin(self, attempt: Attempt) -> None:
        task = asyncio.create_task(self._run(attempt))
        self._runs[task] = attempt
        self._slots.take(task, attempt.kind)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._runs[task]
        if not self._free_slot(task) and len(self._runs) + 1 == self._most:
            self._bell.set()

    def _free_slot(self, task: asyncio.Task[None] | None) -> bool:
        """Begin the next that waits, or have one claimed, unless this was done before."""
        if not self._slots.release(task):
            return False
        if not self._stopping.is_set() and (attempt := self._ahead.take(self._slots.fits)) is not None:
            self._begin(attempt)
            if self._ahead.room:
                self._bell.set()
        else:
            self._bell.set()
        return True

    async def _run(self, attempt: Attempt) -> None:
        about = {"job_id": str(attempt.job_id), "kind": attempt.kind, "worker": self.name}
        task, began = asyncio.current_task(), time.monotonic()

        def analysed() -> None:
            self._ahead.note(time.monotonic() - began)
            self._free_slot(task)

        told: tracing.About = {"job.id": str(attempt.job_id), "job.kind": attempt.kind, "job.attempt": attempt.attempt}
        span = tracing.span(f"attempt {attempt.kind}", told, kind=SpanKind.CONSUMER, parent=attempt.trace)
        with self._metrics.job_running(attempt.kind), span:
            try:
                outcome = await self._jobs.execution.run(attempt, analysed=analysed)
            except Unavailable as error:  # whoever takes it over starts anew, and claims are counted
                log.warning("run.lost", code=error.code, **about)
            except Exception:
                log.exception("run.crashed", **about)
            else:
                if outcome is not None:
                    self._metrics.observe_job(attempt.kind, RETRIED if outcome is JobStatus.PENDING else outcome)

    def _hear(self, work: str) -> None:
        """Look for a job that waits, where there is room for its kind; call off one that has to stop."""
        if self._slots.room({work} & set(self.options.kinds)):
            self._bell.set()
        self._ahead.cancel(work)
        for task, attempt in self._runs.items():
            if str(attempt.job_id) == work:
                task.cancel()


@asynccontextmanager
async def running_worker(runtime: Runtime, options: WorkerOptions) -> AsyncIterator[Worker]:
    """Run jobs while the block does; at its end none runs here any more, at the latest after grace and clean-up."""
    worker = Worker(runtime, options)
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
