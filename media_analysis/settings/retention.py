"""The branches of the tree that say something about every category."""

from datetime import timedelta
from typing import Final, Generic, TypeVar

from media_analysis.settings.section import (
    LifetimeLeaf,
    MediaTypesLeaf,
    OwnCronLeaf,
    OwnSpanLeaf,
    PriorityLeaf,
    QuotaLeaf,
    Section,
    ShareLeaf,
)
from media_analysis.storage.category import Category

GIB: Final = 2**30
MIB: Final = 2**20
KIB: Final = 2**10
Value = TypeVar("Value")


class PerCategory(Section, Generic[Value]):
    """A branch with one leaf for every category."""

    def of(self, category: Category) -> Value:
        """Return what is said about a category."""
        value: Value = getattr(self, category.value)
        return value

    def says(self, category: Category) -> bool:
        """Whether somebody gave it, rather than the default."""
        return category.value in self.model_fields_set


class Retention(PerCategory[timedelta | None]):
    """How long files of this category live after they were stored."""

    uploads: LifetimeLeaf = timedelta(days=7)
    frames: LifetimeLeaf = timedelta(days=30)
    contact_sheets: LifetimeLeaf = timedelta(days=30)
    outputs: LifetimeLeaf = None
    temp: LifetimeLeaf = timedelta(hours=24)
    clips: LifetimeLeaf = timedelta(hours=1)
    archives: LifetimeLeaf = timedelta(days=30)
    """How long archives that clients uploaded live; that of a run goes with the run, by archive.delete_after_days."""


class MinimumRetention(PerCategory[timedelta | None]):
    """How long files of this category stay whatever is asked for."""

    uploads: OwnSpanLeaf = None
    frames: OwnSpanLeaf = None
    contact_sheets: OwnSpanLeaf = None
    outputs: OwnSpanLeaf = None
    temp: OwnSpanLeaf = None
    clips: OwnSpanLeaf = None
    archives: OwnSpanLeaf = None


class Quotas(PerCategory[int | None]):
    """How many bytes the files of this category may take together."""

    uploads: QuotaLeaf = 10 * GIB
    frames: QuotaLeaf = 50 * GIB
    contact_sheets: QuotaLeaf = 20 * GIB
    outputs: QuotaLeaf = 100 * GIB
    temp: QuotaLeaf = 5 * GIB
    clips: QuotaLeaf = GIB
    archives: QuotaLeaf = None


class OwnerQuotas(PerCategory[int | None]):
    """How many bytes of this category one owner may have; none is as many as there are."""

    uploads: QuotaLeaf = None
    frames: QuotaLeaf = None
    contact_sheets: QuotaLeaf = None
    outputs: QuotaLeaf = None
    temp: QuotaLeaf = None
    clips: QuotaLeaf = None
    archives: QuotaLeaf = None


class HighWater(PerCategory[int | None]):
    """Above how many bytes this category is under pressure; none is its quota, where it has an eviction priority."""

    uploads: QuotaLeaf = None
    frames: QuotaLeaf = None
    contact_sheets: QuotaLeaf = None
    outputs: QuotaLeaf = None
    temp: QuotaLeaf = None
    clips: QuotaLeaf = None
    archives: QuotaLeaf = None


class LowWater(PerCategory[int | None]):
    """Down to how many bytes pressure evicts in this category; none is 90 % of its high mark."""

    uploads: QuotaLeaf = None
    frames: QuotaLeaf = None
    contact_sheets: QuotaLeaf = None
    outputs: QuotaLeaf = None
    temp: QuotaLeaf = None
    clips: QuotaLeaf = 900 * MIB
    archives: QuotaLeaf = None


class EvictionPriority(PerCategory[int | None]):
    """When this category's turn comes under pressure, lowest first; none is never."""

    uploads: PriorityLeaf = 3
    frames: PriorityLeaf = 4
    contact_sheets: PriorityLeaf = 5
    outputs: PriorityLeaf = None
    temp: PriorityLeaf = 1
    clips: PriorityLeaf = 2
    archives: PriorityLeaf = None


class SharePercent(PerCategory[int | None]):
    """The share of this category's files or bytes that no sweep takes unconfirmed; none is any share."""

    uploads: ShareLeaf = 50
    frames: ShareLeaf = 50
    contact_sheets: ShareLeaf = 50
    outputs: ShareLeaf = 50
    temp: ShareLeaf = None
    clips: ShareLeaf = None
    archives: ShareLeaf = 50


class Accept(PerCategory[tuple[str, ...]]):
    """The media types this category takes."""

    uploads: MediaTypesLeaf = ()
    frames: MediaTypesLeaf = ()
    contact_sheets: MediaTypesLeaf = ()
    outputs: MediaTypesLeaf = ()
    temp: MediaTypesLeaf = ()
    clips: MediaTypesLeaf = ()
    archives: MediaTypesLeaf = ()


class Schedules(PerCategory[str | None]):
    """When this category is swept; none follows storage.cleanup.schedule."""

    uploads: OwnCronLeaf = None
    frames: OwnCronLeaf = None
    contact_sheets: OwnCronLeaf = None
    outputs: OwnCronLeaf = None
    temp: OwnCronLeaf = "0 * * * *"
    clips: OwnCronLeaf = "*/15 * * * *"
    archives: OwnCronLeaf = "0 3 * * *"
