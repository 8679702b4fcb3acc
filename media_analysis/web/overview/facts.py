"""What the first screen tells, asked of the services all at once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from media_analysis.api.schemas.storage import SweepRead
from media_analysis.deletion.models import Pause
from media_analysis.files.filters import FileFilter
from media_analysis.files.ledger import CountedDay
from media_analysis.files.reading import Row
from media_analysis.jobs.queries import JobFilter
from media_analysis.jobs.service import JobView
from media_analysis.jobs.status import JobStatus
from media_analysis.policy.decision import CategoryRules
from media_analysis.retention.forecast.request import ForecastRequest
from media_analysis.retention.forecast.service import Forecast
from media_analysis.retention.lives import Lives
from media_analysis.retention.status import StorageStats, Usage
from media_analysis.runtime import Runtime
from media_analysis.sessions.roles import Scope
from media_analysis.sessions.service import Caller
from media_analysis.storage.category import Category
from media_analysis.units import round_size
from media_analysis.web.layout.charts import Chart, draw_in_and_out, draw_lines
from media_analysis.web.writing import write_files

DAYS: Final = 30
SHOWN: Final = 6
_DAY: Final = timedelta(days=1)


class Shelf(NamedTuple):
    """One category: what is used of it, and its rules."""

    category: Category
    usage: Usage
    rules: CategoryRules
    quota_bytes: int | None

    @property
    def marks(self) -> Mapping[str, int]:
        """Where eviction begins and ends."""
        marks = {"eviction begins": self.rules.high_water_bytes, "eviction ends": self.rules.low_water_bytes}
        return {name: at for name, at in marks.items() if at is not None}


@dataclass(frozen=True)
class House:
    """What administrators are told beside: of everybody's files, the disk, and deletion."""

    forecast: Forecast
    sweeps: Sequence[SweepRead]
    pauses: Sequence[Pause]
    alerts: Sequence[Mapping[str, Any]]

    @property
    def outlook(self) -> Chart:
        """What will be used on each day to come."""
        forecast, days = self.forecast, self.forecast.expected.days
        titles = [
            f"{day.day:%d %B}: {round_size(day.used_bytes)} used, {round_size(day.due_bytes)} fall due in "
            f"{write_files(day.due_files)}, {round_size(day.ingest_bytes)} come in"
            for day in days
        ]
        limits = {} if forecast.limit_bytes is None else {"the disk is full": forecast.limit_bytes}
        used = {"used": [day.used_bytes for day in days]}
        label = f"Bytes used on each of the next {DAYS} days"
        return draw_lines(label, [day.day for day in days], used, titles=titles, limits=limits)

    @property
    def past(self) -> Chart:
        """What came and what went on each day of late."""
        today = self.forecast.expected.days[0].day
        known = {day.day: day for day in self.forecast.past}
        days = [known.get(day, CountedDay(day, 0, 0, 0, 0)) for day in _days_until(today, 28)]
        titles = [
            f"{day.day:%d %B}: {write_files(day.files)}, {round_size(day.size_bytes)} came; "
            f"{write_files(day.gone_files)}, {round_size(day.gone_bytes)} went"
            for day in days
        ]
        came, went = [day.size_bytes for day in days], [day.gone_bytes for day in days]
        return draw_in_and_out("What came and went per day", [day.day for day in days], came, went, titles=titles)


@dataclass(frozen=True)
class Overview:
    """All of the first screen."""

    stats: StorageStats
    lives: Lives
    shelves: Sequence[Shelf]
    jobs: Sequence[JobView]
    next_files: Sequence[Row]
    house: House | None


async def read_overview(services: Runtime, caller: Caller) -> Overview:
    """Return what whoever asks may see: their own share, and as an administrator of storage the whole house."""
    owner = caller.scope if not caller.may(Scope.STORAGE) else None
    status = services.retention.status
    stats, lives, jobs, files, house = await asyncio.gather(
        status.stats(owner=owner),
        status.lives(owner=owner),
        _jobs(services, caller),
        _next_files(services, caller),
        _house(services) if caller.may(Scope.STORAGE) else _nothing(),
    )
    quotas = {**stats.quotas, **(stats.owner_quotas if owner is not None else {})}
    rules = {} if stats.policy is None else stats.policy.rules
    shelves = [
        Shelf(category, usage, rules.get(category, CategoryRules()), quotas.get(category))
        for category, usage in stats.usage.items()
    ]
    return Overview(stats, lives, shelves, jobs, files, house)


async def _jobs(services: Runtime, caller: Caller) -> Sequence[JobView]:
    """Return the jobs under way, and those that wait, newest first."""
    if not caller.may(Scope.JOBS):
        return ()
    wanted = JobFilter(owner=caller.scope, statuses=(JobStatus.RUNNING, JobStatus.PENDING))
    return (await services.jobs.catalog.list(wanted, before=None, limit=SHOWN)).views


async def _next_files(services: Runtime, caller: Caller) -> Sequence[Row]:
    """Return the files that end next."""
    if not caller.may(Scope.FILES_READ):
        return ()
    wanted = FileFilter(owner=caller.scope, expires_before=datetime.now(UTC) + DAYS * _DAY)
    return (await services.files.catalog.list(wanted, after=None, limit=SHOWN)).files


async def _house(services: Runtime) -> House:
    retention = services.retention
    forecast, sweeps, pauses, alerts = await asyncio.gather(
        retention.forecast.forecast(ForecastRequest(DAYS)),
        retention.sweeps.list(limit=SHOWN),
        services.deletion.pauses.list(is_open=True, limit=SHOWN),
        services.alerts.list(),
    )
    return House(forecast, [SweepRead.from_row(sweep) for sweep in sweeps], pauses, alerts)


async def _nothing() -> None:
    return None


def _days_until(today: date, count: int) -> Sequence[date]:
    return [today - (count - 1 - number) * _DAY for number in range(count)]
