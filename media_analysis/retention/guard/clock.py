"""The clock: everything is due once it jumps far enough, so a jump stops deletion until somebody confirms."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.instance import Instance, note_clock
from media_analysis.deletion.models import Pause, PauseCause
from media_analysis.deletion.pauses import Observe, PauseFinding, add_pause, find_clock_pause, mark_weighed, tell
from media_analysis.retention.guard.weighing import sum_due
from media_analysis.settings.storage import BreakerSettings
from media_analysis.storage.category import Category
from media_analysis.units import format_instant

_BY_THIS_CLOCK: Final = "by this clock"
"""What the reason of a pause that was weighed says."""


def steady() -> float:
    """Return the seconds of a clock that nobody sets; where there is one, it also counts time spent asleep."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


@dataclass(frozen=True, kw_only=True)
class ClockLimits:
    """How far the clock may be from where it is expected before it is distrusted."""

    jump: timedelta
    downtime: timedelta
    """How long nobody may have looked; a service that was stopped longer asks first."""

    @classmethod
    def of(cls, breaker: BreakerSettings) -> Self:
        """Return what the settings say."""
        return cls(jump=timedelta(seconds=breaker.clock_jump_seconds), downtime=timedelta(days=breaker.downtime_days))


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the database's clock said at some moment between two of this process's own."""

    now: datetime
    earliest: float
    latest: float
    resumed_at: datetime | None
    """When somebody last said that the clock is right."""


@dataclass
class _Memory:
    reading: ClockReading | None = None


@dataclass(frozen=True)
class ClockService:
    """Compares the database's clock with what was noted of it, and with this process's own."""

    db: Database
    limits: ClockLimits
    observe: Observe
    monotonic: Callable[[], float] = steady
    _memory: _Memory = field(default_factory=_Memory)

    async def check(self) -> None:
        """Note what the clock says, and stop all deletion if that is not to be trusted.

        Only the database's clock is read, whatever instant a caller travels to.
        """
        pause, is_new, now = await self._note()
        if pause is None:
            return
        if is_new:
            self.observe(pause.cause)
            tell(pause)
        if _BY_THIS_CLOCK not in pause.reason:  # a check that broke off here leaves it to the next one
            await self._weigh(pause, now)

    @retried
    async def _note(self) -> tuple[Pause | None, bool, datetime]:
        """Return the pause that stands, whether it is a new one, and the clock's instant."""
        earliest = self.monotonic()
        async with self.db.transaction() as session:
            seen_at = (await session.execute(select(Instance.clock_seen_at).with_for_update())).scalar_one()
            now, resumed_at, is_paused = (await session.execute(_READING)).one()
            reading = ClockReading(now, earliest, self.monotonic(), resumed_at)
            doubt = self._compare_stored(now, seen_at) or self._compare_own(reading)
            pause = await find_clock_pause(session) if is_paused else None
            is_new = doubt is not None and pause is None
            if doubt is not None and pause is None:
                pause = await add_pause(session, None, PauseFinding(cause=PauseCause.CLOCK, reason=doubt), by="clock")
            await note_clock(session, now)
        self._memory.reading = reading
        return pause, is_new, now

    async def _weigh(self, pause: Pause, now: datetime) -> None:
        """Say what a pause keeps from going, by the clock it doubts; deletion stands still before that is counted."""
        async with self.db.read_only() as session:
            due = [await sum_due(session, category, now=now, trash=True) for category in Category]
        files, size_bytes = sum(amount.files for amount in due), sum(amount.size_bytes for amount in due)
        reason = f"{pause.reason}; {_BY_THIS_CLOCK} {files} files, {size_bytes} bytes, are due"
        async with self.db.transaction() as session:
            await mark_weighed(session, pause, files=files, size_bytes=size_bytes, reason=reason)

    async def find_doubt(self, session: AsyncSession) -> str | None:
        """Return why the clock is not to be trusted by what was noted of it, None if it is; writes nothing."""
        seen_at = (await session.execute(select(Instance.clock_seen_at))).scalar_one()
        now = (await session.execute(_READING)).one()[0]
        return self._compare_stored(now, seen_at)

    def _compare_stored(self, now: datetime, seen_at: datetime | None) -> str | None:
        if seen_at is None:
            return None
        noted = f"the clock says {format_instant(now)}, and {format_instant(seen_at)} was noted before"
        if now < seen_at - self.limits.jump:
            return f"{noted}: it went back"
        if now > seen_at + self.limits.downtime:
            return f"{noted}: it went forward, or the service was down for more than {self.limits.downtime.days} days"
        return None

    def _compare_own(self, reading: ClockReading) -> str | None:
        before = self._memory.reading
        # A clock that somebody vouched for since is not held to what it said before that.
        if before is None or before.resumed_at != reading.resumed_at:
            return None
        advance = (reading.now - before.now).total_seconds()
        least, most = reading.earliest - before.latest, reading.latest - before.earliest
        if least - self.limits.jump.total_seconds() <= advance <= most + self.limits.jump.total_seconds():
            return None
        return (
            f"the clock jumped: it says {format_instant(reading.now)}, "
            f"{round(most)} seconds after {format_instant(before.now)}"
        )


# Not now(), which stands still while the transaction waits for the row.
_READING = text("""
    SELECT clock_timestamp(), (SELECT max(resumed_at) FROM pauses WHERE cause = 'clock'),
        EXISTS (SELECT FROM pauses WHERE cause = 'clock' AND resumed_at IS NULL)
""")
