"""Duties that fall due, and processes that keep them."""

from datetime import UTC, datetime, timedelta

from apscheduler.triggers.date import DateTrigger

from media_analysis.retention.duties import DutyService
from media_analysis.runtime import Runtime
from media_analysis.scheduler.appointments import Appointment
from media_analysis.scheduler.timetable import keep
from media_analysis.settings import cron_trigger

LONG_AGO = timedelta(hours=7)


async def fall_due(runtime: Runtime, *appointments: Appointment, ago: timedelta = LONG_AGO) -> None:
    """Let the slots of duties have come so long ago, and nobody have been there."""
    slot = await runtime.db.now() - ago
    await DutyService(runtime.db).meet({one.name: (one.cron, slot) for one in appointments})


async def keep_as(runtime: Runtime, appointment: Appointment, duties: DutyService | None = None) -> None:
    """Keep a duty as one process would."""
    await keep(runtime, duties or DutyService(runtime.db), appointment, cron_trigger(appointment.cron))


def never(_cron: str) -> DateTrigger:
    """Return the trigger of a test that no slot of the day it runs on may disturb."""
    return DateTrigger(datetime.max.replace(tzinfo=UTC) - timedelta(days=2))
