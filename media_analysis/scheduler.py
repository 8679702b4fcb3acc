"""Says when sweeps run, and nothing else; PostgreSQL remembers what is due and who answers a tick."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

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


@asynccontextmanager
async def running_scheduler(runtime: Runtime) -> AsyncIterator[None]:
    """Answer the schedule while the block runs; a sweep under way when it ends is broken off, safely."""
    cleanup = runtime.settings.storage.cleanup
    if not cleanup.enabled:
        log.warning("cleanup.disabled")
        yield
        return
    planned = planned_sweeps(runtime.settings)
    scheduler = AsyncIOScheduler(job_defaults={"coalesce": True, "misfire_grace_time": MISFIRE_SECONDS})
    for cron, request in planned:
        scheduler.add_job(answer_tick, cron_trigger(cron), args=[runtime, request])
    scheduler.start()
    first = SweepRequest(trigger=SweepTrigger.START, requested_by="scheduler", dry_run=cleanup.dry_run)
    starting = asyncio.create_task(answer_tick(runtime, first)) if cleanup.run_at_start else None
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        if starting is not None:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
