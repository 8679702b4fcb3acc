"""Says when sweeps and the duties beside them run, and nothing else; PostgreSQL remembers what is due."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from apscheduler.job import Job
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from media_analysis.errors import MediaAnalysisError, SlotTaken
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.policy import Policy
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings, cron_trigger
from media_analysis.storage.category import Category

ABANDONED_CRON: Final = "*/15 * * * *"
"""How often uploads that were given up, and bytes a crash left on the outbox, are cleared whatever the category."""
WATCH_CRON: Final = "* * * * *"
WARN_CRON: Final = "7 * * * *"
FORGET_CRON: Final = "37 * * * *"
MISFIRE_SECONDS: Final = 300
TriggerOf = Callable[[str], BaseTrigger]
log = structlog.get_logger()


def planned_sweeps(policy: Policy, *, dry_run: bool = False) -> Sequence[tuple[str, SweepRequest]]:
    """Return each cron expression with the sweep it starts; categories of one expression go together."""
    together: dict[str, list[Category]] = defaultdict(list)
    for category in Category:
        together[policy.of(category).schedule].append(category)
    scheduled = SweepRequest(trigger=SweepTrigger.SCHEDULE, requested_by="scheduler", dry_run=dry_run)
    return [
        *((cron, replace(scheduled, categories=tuple(categories))) for cron, categories in together.items()),
        (ABANDONED_CRON, replace(scheduled, only_pending=True)),
    ]


def slot_of(now: datetime) -> datetime:
    """Return the minute a tick belongs to; replicas whose timers differ by less than half a minute agree."""
    return (now + timedelta(seconds=30)).replace(second=0, microsecond=0)


async def answer_tick(runtime: Runtime, request: SweepRequest) -> None:
    """Run a scheduled sweep unless another replica has this tick; what fails is logged and tried at the next."""
    try:
        slot = slot_of(await runtime.db.now()) if request.trigger is SweepTrigger.SCHEDULE else None
        await runtime.sweeps.run(replace(request, slot=slot))
    except SlotTaken:
        log.debug("tick.taken", kind=request.kind)
    except MediaAnalysisError as error:
        log.error("sweep.failed", kind=request.kind, code=error.code, reason=str(error))  # noqa: TRY400 - no bug
    except Exception:
        log.exception("sweep.crashed", kind=request.kind)


async def watch(runtime: Runtime) -> None:
    """Note the clock, and tell whoever listens what began and what ended."""
    await runtime.clock.check()
    if runtime.notices.carrier is not None:
        await runtime.alerts.check()
        await runtime.notices.deliver()


async def reap(runtime: Runtime) -> None:
    """Help jobs on that nobody would look at again."""
    await runtime.reaping.reap()


async def forget_queue_log(runtime: Runtime) -> None:
    """Clear the queue's own log, which grows with every job."""
    await runtime.reaping.forget()


async def warn(runtime: Runtime) -> None:
    """Warn owners of files whose end comes near, and forget warnings long past."""
    if runtime.notices.carrier is not None:
        await runtime.warnings.warn()
        await runtime.notices.forget()


async def relieve(runtime: Runtime) -> None:
    """Relieve what is over its high-water mark; one replica does it for each tick."""
    await runtime.pressure.relieve(trigger=SweepTrigger.PRESSURE, slot=slot_of(await runtime.db.now()))


async def relieve_at_start(runtime: Runtime) -> None:
    """Relieve what is over its high-water mark after a time in which nobody looked."""
    await runtime.pressure.relieve(trigger=SweepTrigger.START)


async def scrub(runtime: Runtime) -> None:
    """Read objects again, from where the last scrub stopped."""
    await runtime.scrub.run()


async def archive(runtime: Runtime) -> None:
    """Ask for the runs whose time has come to be archived; whoever works on archives finds them waiting."""
    await runtime.archives.requests.request_due()


Duty = Callable[[Runtime], Awaitable[None]]


def planned_duties(settings: Settings) -> Sequence[tuple[str, Duty]]:
    """Return each cron expression with what is done beside the sweeps."""
    storage = settings.storage
    duties: list[tuple[str, Duty]] = [
        (WATCH_CRON, watch),
        (WATCH_CRON, reap),
        (WARN_CRON, warn),
        (FORGET_CRON, forget_queue_log),
    ]
    if storage.cleanup.enabled:
        duties.append((storage.pressure.schedule, relieve))
    if storage.scrub.schedule is not None:
        duties.append((storage.scrub.schedule, scrub))
    if settings.archive.enabled:
        duties.append((settings.archive.schedule, archive))
    return duties


async def attend(runtime: Runtime, duty: Duty) -> None:
    """Do a duty; what fails is logged and tried at its next tick."""
    name = getattr(duty, "__name__", repr(duty))
    try:
        await duty(runtime)
    except MediaAnalysisError as error:
        log.error("duty.failed", duty=name, code=error.code, reason=str(error))  # noqa: TRY400 - no bug
    except Exception:
        log.exception("duty.crashed", duty=name)


class _Ticks:
    """What is under way, so that none of it outlives the services it works with."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._under_way: set[asyncio.Task[Any]] = set()

    def start(self, *work: Callable[[], Awaitable[None]]) -> None:
        """Begin now, one after the other."""
        self._under_way.add(asyncio.create_task(self._follow(_in_turn(work))))

    async def answer(self, request: SweepRequest) -> None:
        """Answer one tick of a sweep."""
        await self._follow(answer_tick(self._runtime, request))

    async def attend(self, duty: Duty) -> None:
        """Answer one tick of a duty."""
        await self._follow(attend(self._runtime, duty))

    async def end(self) -> None:
        """Break off what is under way and wait until it has let go of its connections."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; being cancelled at the end is no failure of the job."""
        task = asyncio.current_task()
        if task is not None:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        with suppress(asyncio.CancelledError):
            await work


async def _in_turn(work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    for part in work:
        await part()


class _Timetable:
    """The jobs of a running scheduler; its sweeps follow the policy in force."""

    def __init__(self, runtime: Runtime, ticks: _Ticks, trigger_of: TriggerOf) -> None:
        self._runtime = runtime
        self._ticks = ticks
        self._trigger_of = trigger_of
        self._version: str | None = None
        self._sweeps: list[Job] = []
        self.scheduler = AsyncIOScheduler(job_defaults={"coalesce": True, "misfire_grace_time": MISFIRE_SECONDS})

    def add_duties(self) -> None:
        for cron, duty in planned_duties(self._runtime.settings):
            self.scheduler.add_job(self._ticks.attend, self._trigger_of(cron), args=[duty])

    async def follow_policy(self, _runtime: Runtime | None = None) -> None:
        """Plan the sweeps anew if another policy was put in force, by whichever process."""
        policy = (await self._runtime.policies.in_force()).policy
        if policy.version == self._version:
            return
        for job in self._sweeps:
            with suppress(JobLookupError):  # it fired for the last time
                job.remove()
        planned = planned_sweeps(policy, dry_run=self._runtime.settings.storage.cleanup.dry_run)
        self._sweeps = [
            self.scheduler.add_job(self._ticks.answer, self._trigger_of(cron), args=[request])
            for cron, request in planned
        ]
        self._version = policy.version

    def keep_following(self) -> None:
        self.scheduler.add_job(self._ticks.attend, self._trigger_of(WATCH_CRON), args=[self.follow_policy])


@asynccontextmanager
async def running_scheduler(runtime: Runtime, trigger_of: TriggerOf = cron_trigger) -> AsyncIterator[None]:
    """Answer the schedule while the block runs; a sweep under way when it ends is broken off, safely.

    `trigger_of` says when a cron expression fires.
    """
    cleanup = runtime.settings.storage.cleanup
    ticks = _Ticks(runtime)
    timetable = _Timetable(runtime, ticks, trigger_of)
    timetable.add_duties()
    if cleanup.enabled:
        await timetable.follow_policy()
        timetable.keep_following()
    else:
        log.warning("cleanup.disabled")
    timetable.scheduler.start()
    if cleanup.enabled and cleanup.run_at_start:
        first = SweepRequest(trigger=SweepTrigger.START, requested_by="scheduler", dry_run=cleanup.dry_run)
        ticks.start(partial(answer_tick, runtime, first), partial(attend, runtime, relieve_at_start))
    try:
        yield
    finally:
        timetable.scheduler.shutdown(wait=False)
        await ticks.end()
