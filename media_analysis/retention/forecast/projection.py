"""The model behind a forecast: how used bytes go on from sums of what falls due and what usually comes in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.retention.forecast.days import CategoryHistory, DueSum
from media_analysis.storage.category import Category

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC): what falls due on it, what comes in, and what is used at its end."""

    day: date
    due_files: int
    due_bytes: int
    ingest_bytes: int
    used_bytes: int

    def plus(self, other: "Day") -> "Day":
        return Day(
            self.day,
            self.due_files + other.due_files,
            self.due_bytes + other.due_bytes,
            self.ingest_bytes + other.ingest_bytes,
            self.used_bytes + other.used_bytes,
        )


@dataclass(frozen=True)
class Projection:
    """The days to come, and when room runs out; None is not within them."""

    days: Sequence[Day]
    quota_full_on: date | None
    quota_full_category: Category | None
    disk_full_on: date | None


@dataclass(frozen=True, slots=True)
class Horizon:
    """The days a projection covers, and how many more the bytes stay after they fell due."""

    today: date
    days: int
    trash_days: int = 0

    def offset(self, day: date) -> int:
        """Return the index of a day; what is overdue goes today."""
        return max(0, (day - self.today).days)


def whole_days(span: timedelta) -> int:
    """Round to whole days, half up: what is stored at noon falls due that many days later."""
    return (span + DAY / 2) // DAY


def term_of(rules: CategoryRules) -> int | None:
    """Return after how many days a category's files fall due; None is never."""
    if rules.lifetime is None:
        return None
    return whole_days(rules.lifetime if rules.minimum is None else max(rules.lifetime, rules.minimum))


def redate(sums: Iterable[DueSum], rules: CategoryRules, changed: CategoryRules, today: date) -> Sequence[DueSum]:
    """Say when files would fall due under changed rules; dated and held ones stay where they are."""
    term = term_of(changed)

    def moved(due: DueSum) -> DueSum:
        if due.stored_on is None or (due.due_on is None and rules.lifetime is not None):
            return due
        due_on = None if term is None else max(today, due.stored_on + timedelta(days=term))
        return due._replace(due_on=due_on)

    return [moved(due) for due in sums]


def expected_ingest(account: CategoryHistory, day: int) -> tuple[int, int]:
    """Return the files and bytes expected on a day, counted from today: the mean of the past in whole numbers.

    Of today it is what is still missing; before the first full day has passed, every day is taken to be like today.
    """
    span = account.span_days or 1
    totals = (
        (account.past_files, account.past_bytes) if account.span_days else (account.today_files, account.today_bytes)
    )
    files, size_bytes = (total * (day + 1) // span - total * day // span for total in totals)
    if day:
        return files, size_bytes
    return max(0, files - account.today_files), max(0, size_bytes - account.today_bytes)


class _Flow:
    """What comes and goes on each day of a horizon."""

    def __init__(self, horizon: Horizon) -> None:
        self.horizon = horizon
        self.due_files, self.due_bytes, self.ingested, self.freed = ([0] * horizon.days for _ in range(4))

    def fall_due(self, day: int, files: int, size_bytes: int, *, in_trash: int = 0) -> None:
        if day < self.horizon.days:
            self.due_files[day] += files
            self.due_bytes[day] += size_bytes
            self.free(day, in_trash)
            self.free(day + self.horizon.trash_days, size_bytes - in_trash)

    def free(self, day: int, size_bytes: int) -> None:
        if day < self.horizon.days:
            self.freed[day] += size_bytes

    def days(self, used_bytes: int) -> Sequence[Day]:
        found = []
        flow = zip(self.due_files, self.due_bytes, self.ingested, self.freed, strict=True)
        for number, (files, due_bytes, ingested, freed) in enumerate(flow):
            used_bytes += ingested - freed
            found.append(Day(self.horizon.today + number * DAY, files, due_bytes, ingested, used_bytes))
        return found


def project(account: CategoryHistory, due: Iterable[DueSum], rules: CategoryRules, horizon: Horizon) -> Sequence[Day]:
    """Return a category's days, given its sums with the earliest due first.

    The sums do not tell trash from files that somebody dated: what is dated and soonest due is taken for the trash,
    whose bytes are free when it falls due.
    """
    flow, in_trash = _Flow(horizon), account.trashed_bytes
    for one in due:
        if one.due_on is not None:
            day = horizon.offset(one.due_on)
            part = min(in_trash, one.size_bytes) if one.dated and day <= horizon.trash_days else 0
            in_trash -= part
            flow.fall_due(day, one.files, one.size_bytes, in_trash=part)
    term = term_of(rules)
    for day in range(horizon.days):
        files, flow.ingested[day] = expected_ingest(account, day)
        if term is not None:
            flow.fall_due(day + term, files, flow.ingested[day])
    return flow.days(account.used_bytes)


def conclude(
    days_by_category: Mapping[Category, Sequence[Day]],
    policy: Policy,
    *,
    category: Category | None,
    limit_bytes: int | None,
) -> Projection:
    """Join the days of all categories; the disk is full once all together use more than `limit_bytes`, if it ends."""
    together = _sum_days(days_by_category.values())
    watched = days_by_category if category is None else {category: days_by_category[category]}
    full = {
        kind: full_on
        for kind, days in watched.items()
        if (full_on := _first_over(days, policy.of(kind).quota_bytes)) is not None
    }
    first = min(full, key=lambda kind: full[kind], default=None)
    return Projection(
        days=together if category is None else days_by_category[category],
        quota_full_on=None if first is None else full[first],
        quota_full_category=first,
        disk_full_on=_first_over(together, limit_bytes),
    )


def _sum_days(days_by_category: Iterable[Sequence[Day]]) -> Sequence[Day]:
    first, *others = days_by_category
    found = list(first)
    for progress in others:
        found = [mine.plus(theirs) for mine, theirs in zip(found, progress, strict=True)]
    return found


def _first_over(days: Iterable[Day], limit_bytes: int | None) -> date | None:
    if limit_bytes is None:
        return None
    return next((day.day for day in days if day.used_bytes > limit_bytes), None)
