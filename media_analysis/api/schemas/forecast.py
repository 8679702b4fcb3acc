"""Documents about what is to come: bytes per day, when room runs out, and what other lifetimes would do."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field

from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.files.ledger import CountedDay
from media_analysis.retention.forecast.projection import Day, Projection
from media_analysis.retention.forecast.request import LONGEST_DAYS, ForecastRequest
from media_analysis.retention.forecast.service import Forecast
from media_analysis.storage.category import Category
from media_analysis.units import format_lifetime, parse_lifetime

ALLOWED_LIFETIMES = "seconds, or a number with d, h, m or s such as 5d, from 1s to 100 years; -1 or indefinite"


def _lifetime(word: str) -> str:
    try:
        parse_lifetime(word)
    except ValueError as error:
        raise ValueError(f"must be {ALLOWED_LIFETIMES}") from error
    return word


LifetimeWord = Annotated[str, Field(max_length=40), AfterValidator(_lifetime)]


def _instead(category: Category) -> LifetimeWord | None:
    """Return the field of the lifetime that is tried for a category."""
    field: LifetimeWord | None = Field(
        None,
        alias=f"lifetime.{category.value}",
        description=f"What if {category.value} lived that long: {ALLOWED_LIFETIMES}",
    )
    return field


class ForecastQuery(RequestDocument):
    """How far to look, and what to try; unknown parameters are refused, for a mistyped lifetime would change nothing.

    Lifetimes are tried on files whose end their category decides, and on what is still to come.
    """

    days: int = Field(30, ge=1, le=LONGEST_DAYS, description="How many days, today (UTC) being the first")
    category: Category | None = Field(None, description="Only this category; all of them together without")
    uploads: LifetimeWord | None = _instead(Category.UPLOADS)
    frames: LifetimeWord | None = _instead(Category.FRAMES)
    contact_sheets: LifetimeWord | None = _instead(Category.CONTACT_SHEETS)
    outputs: LifetimeWord | None = _instead(Category.OUTPUTS)
    temp: LifetimeWord | None = _instead(Category.TEMP)
    clips: LifetimeWord | None = _instead(Category.CLIPS)
    archives: LifetimeWord | None = _instead(Category.ARCHIVES)

    def request(self) -> ForecastRequest:
        """Return what is asked."""
        words: Mapping[Category, str | None] = {category: getattr(self, category.value) for category in Category}
        lifetimes = {category: parse_lifetime(word) for category, word in words.items() if word is not None}
        return ForecastRequest(self.days, self.category, lifetimes)


class DayRead(BaseModel):
    """One day (UTC) to come."""

    date: dt.date
    due_files: int = Field(description="Files that fall due; what is overdue, and what lies in the trash, included")
    due_bytes: int
    ingest_bytes: int = Field(
        description="What comes in, by the mean of the last 28 days; today, what is still to come"
    )
    used_bytes: int = Field(description="What is used at its end")

    @classmethod
    def from_day(cls, day: Day) -> Self:
        """Return the document of a day."""
        return cls(
            date=day.day,
            due_files=day.due_files,
            due_bytes=day.due_bytes,
            ingest_bytes=day.ingest_bytes,
            used_bytes=day.used_bytes,
        )


class PastDayRead(BaseModel):
    """One day (UTC) of late."""

    date: dt.date
    came_files: int = Field(description="Files that were stored")
    came_bytes: int
    gone_files: int = Field(
        description="Files whose bytes went, from the trash or at once; those packed into archives too"
    )
    gone_bytes: int

    @classmethod
    def from_day(cls, day: CountedDay) -> Self:
        """Return the document of a day."""
        return cls(
            date=day.day,
            came_files=day.files,
            came_bytes=day.size_bytes,
            gone_files=day.gone_files,
            gone_bytes=day.gone_bytes,
        )


class LeavingRead(ReadModel):
    """What falls due soon of what is stored now, unless it is held or given another end until then."""

    hours: int = Field(description="Within so many hours from now")
    before: dt.datetime = Field(description="Up to, not including, this instant: the end of the hour that these end in")
    files: int = Field(description="What is overdue, and what lies in the trash, included")
    size_bytes: int


class ProjectionRead(BaseModel):
    """The days to come, and when room runs out."""

    days: list[DayRead]
    quota_full_on: dt.date | None = Field(description="The first day a quota is passed; null if none within the days")
    quota_full_category: Category | None = Field(description="Whose quota that is")
    disk_full_on: dt.date | None = Field(
        description="The first day on which all categories have grown by more than the disk has free beside its reserve"
    )


class WhatIfRead(ProjectionRead):
    """The same days under other lifetimes."""

    lifetimes: dict[Category, str]


class ForecastRead(ProjectionRead):
    """The days to come if nothing changes, nothing is paused, and nothing is refused or evicted for want of room."""

    category: Category | None
    policy_version: str
    past: list[PastDayRead] = Field(
        description="What came and went in the last 28 days and today; quiet days are left out"
    )
    leaving: list[LeavingRead] = Field(description="What leaves within the next 24 hours, 7 days and 30 days")
    what_if: WhatIfRead | None = Field(description="Told when lifetimes to try were given")

    @classmethod
    def from_forecast(cls, forecast: Forecast) -> Self:
        """Return the document of a forecast."""
        lifetimes = {kind: format_lifetime(lifetime) for kind, lifetime in forecast.request.lifetimes.items()}
        changed = forecast.what_if
        return cls(
            **_projection(forecast.expected),
            category=forecast.request.category,
            policy_version=forecast.policy.version,
            past=[PastDayRead.from_day(day) for day in forecast.past],
            leaving=[LeavingRead.model_validate(leaving) for leaving in forecast.leaving],
            what_if=None if changed is None else WhatIfRead(**_projection(changed), lifetimes=lifetimes),
        )


def _projection(found: Projection) -> dict[str, object]:
    return {
        "days": [DayRead.from_day(day) for day in found.days],
        "quota_full_on": found.quota_full_on,
        "quota_full_category": found.quota_full_category,
        "disk_full_on": found.disk_full_on,
    }
