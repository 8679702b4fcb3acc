"""Cron expressions as crontab(5) means them, turned into APScheduler triggers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields: its range and, where crontab(5) knows them, the names of its values."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, word: str) -> int:
        if word in self.names:
            return self.low + self.names.index(word)
        if not word.isdigit():
            raise ValueError(f"{word!r} is not a {self.name}")
        number = int(word)
        if not self.low <= number <= self.high:
            raise ValueError(f"{self.name} {number} is not from {self.low} to {self.high}")
        return number


_PART: Final = re.compile(
    r"(?P<first>\*|\d{1,2}|[a-z]{3})(?:(?<!\*)-(?P<last>\d{1,2}|[a-z]{3}))?(?:/(?P<step>\d{1,2}))?", re.ASCII
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 7, _WEEKDAYS),
)
_A_LEAP_YEAR: Final = datetime(2000, 1, 1, tzinfo=UTC)


def require_cron(expression: str) -> None:
    """Return if an expression fires at all.

    Raises ValueError with the reason where it does not, as `cron_trigger` does.
    """
    *_, days, _months, _weekdays = cron_trigger_fields(expression)
    if days != "*":  # only a day that no month has is never reached
        cron_trigger(expression)


def cron_trigger(expression: str) -> CronTrigger:
    """Return the trigger that fires, in UTC, when crontab(5) says so.

    Raises ValueError with the reason, also for an expression that never fires (30 February).
    """
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - settings are read without a scheduler, too

    trigger = CronTrigger.from_crontab(" ".join(cron_trigger_fields(expression)), timezone=UTC)
    if trigger.get_next_fire_time(None, _A_LEAP_YEAR) is None:
        raise ValueError("the schedule never fires")
    return trigger


def cron_trigger_fields(expression: str) -> tuple[str, ...]:
    """Translate minute, hour, day of month, month and day of week from crontab(5) to APScheduler's words.

    APScheduler 3 numbers the days of the week from 0 = Monday, crontab(5) from 0 (or 7) = Sunday: they come out as
    names. Everything else comes out as lists of numbers, because APScheduler drops a step after a name unsaid.
    Where crontab(5) joins a day of month and a day of week with "or", APScheduler joins them with "and": refused.
    """
    texts = expression.lower().split()
    if len(texts) != len(_FIELDS):
        raise ValueError(f"the schedule has {len(texts)} fields instead of {len(_FIELDS)}")
    *_, days, _months, weekdays = texts
    if not days.startswith("*") and not weekdays.startswith("*"):
        raise ValueError(
            "the schedule restricts both the day of month and the day of week; use two settings or one of them"
        )
    *plain, last = (_values(field, text) for field, text in zip(_FIELDS, texts, strict=True))
    return (*(_listed(numbers) for numbers in plain), _weekday_names(last))


def _values(field: _Field, text: str) -> set[int] | None:
    """None stands for all values."""
    if text == "*":
        return None
    return {number for part in text.split(",") for number in _part_values(field, part)}


def _part_values(field: _Field, part: str) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} is not a {field.name}")
    step = int(match["step"] or 1)
    if step == 0:
        raise ValueError(f"{part!r} has a step of 0")
    first, last = _bounds(field, match)
    if last < first:
        raise ValueError(f"{part!r} runs backwards")
    return range(first, last + 1, step)


def _bounds(field: _Field, match: re.Match[str]) -> tuple[int, int]:
    if match["first"] == "*":
        return field.low, field.high
    first = field.number(match["first"])
    if match["last"] is not None:
        return first, field.number(match["last"])
    return first, field.high if match["step"] else first


def _listed(numbers: set[int] | None) -> str:
    return "*" if numbers is None else ",".join(str(number) for number in sorted(numbers))


def _weekday_names(numbers: set[int] | None) -> str:
    if numbers is None:
        return "*"
    return ",".join(_WEEKDAYS[number] for number in sorted({number % len(_WEEKDAYS) for number in numbers}))
