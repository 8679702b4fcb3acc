"""Says when sweeps run, and nothing else; PostgreSQL remembers what is due and who answers a tick."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from media_analysis.errors import MediaAnalysisError, SlotTaken
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings, cron_trigger
from media_analysis.storage.category import Category

ABANDONED_CRON: Final = "*/15 * * * *"
"""How often uploads that were given up, and bytes a crash left on the outbox, are cleared whatever the category."""
MISFIRE_SECONDS: Final = 300
log = structlog.get_logger()


def planned_sweeps(settings: Settings) -> Sequence[tuple[str, SweepRequest]]:
    """Return each cron expression with the sweep it starts; categories of one expression go together."""
    cleanup = settings.storage.cleanup
    together: dict[str, list[Category]] = defaultdict(list)
    for category in Category:
        together[cleanup.schedule_of(category)].append(category)
    scheduled = SweepRequest(trigger=SweepTrigger.SCHEDULE, requested_by="scheduler", dry_run=cleanup.dry_run)
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


class _Ticks:
    """The sweeps under way, so that none outlives the services it works with."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._under_way: set[asyncio.Task[Any]] = set()

    def start(self, request: SweepRequest) -> None:
        self._under_way.add(asyncio.create_task(self.answer(request)))

    async def answer(self, request: SweepRequest) -> None:
        """Answer one tick; being cancelled at the end is no failure of the job."""
        task = asyncio.current_task()
        if task is not None:
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        with suppress(asyncio.CancelledError):
            await answer_tick(self._runtime, request)

    async def end(self) -> None:
        """Break off what is under way and wait until it has let go of its connections."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)


@asynccontextmanager
async def running_scheduler(
    runtime: Runtime, trigger_of: Callable[[str], BaseTrigger] = cron_trigger
) -> AsyncIterator[None]:
    """Answer the schedule while the block runs; a sweep under way when it ends is broken off, safely.

    `trigger_of` says when a cron expression fires.
    """
    cleanup = runtime.settings.storage.cleanup
    if not cleanup.enabled:
        log.warning("cleanup.disabled")
        yield
        return
    ticks = _Ticks(runtime)
    scheduler = AsyncIOScheduler(job_defaults={"coalesce": True, "misfire_grace_time": MISFIRE_SECONDS})
    for cron, request in planned_sweeps(runtime.settings):
        scheduler.add_job(ticks.answer, trigger_of(cron), args=[request])
    scheduler.start()
    if cleanup.run_at_start:
        ticks.start(SweepRequest(trigger=SweepTrigger.START, requested_by="scheduler", dry_run=cleanup.dry_run))
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        await ticks.end()
