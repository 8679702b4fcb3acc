"""Keeps the schedule: looks every minute what is due, and has each duty done by one process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from media_analysis.cancellation import carry_through
from media_analysis.errors import MediaAnalysisError
from media_analysis.retention.duties import DutyService, DutyTurn
from media_analysis.runtime import Runtime
from media_analysis.scheduler.appointments import (
    PATROLS,
    WATCH_CRON,
    Act,
    Appointment,
    planned_duties,
    planned_sweeps,
    relieve_at_start,
    sweep_at_start,
)
from media_analysis.settings import cron_trigger

SWEEPS: Final = "cleanup:"
"""What the kinds of all sweeps begin with."""
SLIGHTLY: Final = timedelta(microseconds=1)
TriggerOf = Callable[[str], BaseTrigger]
log = structlog.get_logger()


async def keep(runtime: Runtime, duties: DutyService, appointment: Appointment, trigger: BaseTrigger) -> None:
    """Do what is due of a duty, unless another process does; what fails is logged, and tried again after a while."""
    try:
        turn = await duties.claim(appointment.name)
        if turn is not None:
            await _take(turn, runtime, duties, appointment, trigger)
    except asyncio.CancelledError:
        await carry_through(duties.hand_back(appointment.name))
        raise


async def _take(
    turn: DutyTurn, runtime: Runtime, duties: DutyService, appointment: Appointment, trigger: BaseTrigger
) -> None:
    try:
        async with duties.holding(turn):
            done = await appointment.work(runtime, turn)
    except MediaAnalysisError as error:
        log.error("duty.failed", duty=turn.name, code=error.code, reason=str(error))  # noqa: TRY400 - no bug
        await duties.leave(turn, error=error.code)
    except Exception as error:
        log.exception("duty.crashed", duty=turn.name)
        await duties.leave(turn, error=type(error).__name__)
    else:
        if done:
            await duties.end(turn, next_slot=next_slot(trigger, await runtime.db.now(), after=turn.slot))
        else:
            await duties.leave(turn, error=None)


def next_slot(trigger: BaseTrigger, now: datetime, *, after: datetime | None = None) -> datetime | None:
    """Return when a trigger fires next, past the slot that was just done; what was missed since is done with it."""
    slot: datetime | None = trigger.get_next_fire_time(None, max(now, after or now) + SLIGHTLY)
    return None if slot is None or (after is not None and slot <= after) else slot  # one that fires once has fired


async def attend(runtime: Runtime, act: Act) -> None:
    """Do something that is tried again within a minute; what fails is logged."""
    name = getattr(act, "__name__", repr(act))
    try:
        await act(runtime)
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
        self._watch(asyncio.create_task(self._follow(partial(_in_turn, work))))

    async def attend(self, act: Act) -> None:
        """Answer one tick of what is done every minute."""
        await self._follow(partial(attend, self._runtime, act))

    async def end(self) -> None:
        """Break off what is under way and wait until it has let go of its connections."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _watch(self, task: asyncio.Task[Any]) -> None:
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _follow(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; being cancelled at the end is no failure of the job."""
        task = asyncio.current_task()
        if task is not None:
            self._watch(task)
        with suppress(asyncio.CancelledError):
            await work()


async def _in_turn(work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    for part in work:
        await part()


class _Timetable:
    """The duties of a running scheduler; its sweeps follow the policy in force."""

    def __init__(self, runtime: Runtime, ticks: _Ticks, trigger_of: TriggerOf) -> None:
        self._runtime = runtime
        self._ticks = ticks
        self._trigger_of = trigger_of
        self._version: str | None = None
        self._keeper = DutyService(runtime.db)
        self._duties = [Appointment.of_duty(cron, act) for cron, act in planned_duties(runtime.settings)]
        self._sweeps: list[Appointment] = []
        self.scheduler = AsyncIOScheduler(job_defaults={"coalesce": True, "misfire_grace_time": None})

    async def follow_policy(self, _runtime: Runtime | None = None) -> None:
        """Plan the sweeps anew if another policy was put in force, by whichever process."""
        cleanup = self._runtime.settings.storage.cleanup
        if not cleanup.enabled:
            return
        policy = (await self._runtime.retention.policies.in_force()).policy
        if policy.version == self._version:
            return
        planned = planned_sweeps(policy, dry_run=cleanup.dry_run)
        self._sweeps = [Appointment.of_sweep(cron, request) for cron, request in planned]
        names = [one.name for one in (*self._duties, *self._sweeps)]
        # What categories that now go otherwise together missed is missed by those they go with.
        await self.meet(self._sweeps, missed=await self._keeper.find_missed(planned=names, prefix=SWEEPS))
        await self._keeper.delete_unplanned(planned=names, prefix=SWEEPS)
        self._version = policy.version

    async def meet(self, appointments: Sequence[Appointment], *, missed: datetime | None = None) -> None:
        """Make duties known, so that none of their slots is missed from now on, nor the one that was `missed`."""
        now = await self._runtime.db.now()
        slots = {one.name: (one.cron, missed or next_slot(self._trigger_of(one.cron), now)) for one in appointments}
        await self._keeper.meet(slots)

    async def look(self, _runtime: Runtime | None = None) -> None:
        """Begin what is due: its slot has come, or was missed, or whoever had it failed or died."""
        await self._keeper.delete_unplanned(planned=[one.name for one in (*self._duties, *self._sweeps)])
        due = await self._keeper.list_due()
        for one in (*self._duties, *self._sweeps):
            if one.name in due:
                self._ticks.start(partial(self._keep, one))

    async def _keep(self, appointment: Appointment) -> None:
        trigger = self._trigger_of(appointment.cron)

        async def act(runtime: Runtime) -> None:
            await keep(runtime, self._keeper, appointment, trigger)

        await attend(self._runtime, act)

    async def begin(self) -> None:
        """Look once, and every minute from now on."""
        await self.meet(self._duties)
        for act in (self.follow_policy, self.look):
            await act()
            self.scheduler.add_job(self._ticks.attend, self._trigger_of(WATCH_CRON), args=[act])
        for patrol in PATROLS:
            self.scheduler.add_job(self._ticks.attend, self._trigger_of(WATCH_CRON), args=[patrol])


@asynccontextmanager
async def running_scheduler(runtime: Runtime, trigger_of: TriggerOf = cron_trigger) -> AsyncIterator[None]:
    """Answer the schedule while the block runs; a sweep under way when it ends is broken off, safely.

    `trigger_of` says when a cron expression fires.
    """
    cleanup = runtime.settings.storage.cleanup
    ticks = _Ticks(runtime)
    timetable = _Timetable(runtime, ticks, trigger_of)
    if not cleanup.enabled:
        log.warning("cleanup.disabled")
    await timetable.begin()
    timetable.scheduler.start()
    if cleanup.enabled and cleanup.run_at_start:
        ticks.start(partial(attend, runtime, sweep_at_start), partial(attend, runtime, relieve_at_start))
    try:
        yield
    finally:
        timetable.scheduler.shutdown(wait=False)
        await ticks.end()
