"""The branch of the tree about what is stored, where and for how long."""

from datetime import timedelta
from typing import Annotated, Final

from media_analysis.settings.kinds import Percent, Seconds, Size, Switch, Whole
from media_analysis.settings.section import (
    CronLeaf,
    LifetimeLeaf,
    MediaTypesLeaf,
    OwnCronLeaf,
    OwnPlaceLeaf,
    QuotaLeaf,
    Section,
    SwitchLeaf,
)
from media_analysis.storage.category import Category

GIB: Final = 2**30
MIB: Final = 2**20


class Retention(Section):
    """How long files of this category live after they were stored."""

    uploads: LifetimeLeaf = timedelta(days=7)
    frames: LifetimeLeaf = timedelta(days=30)
    contact_sheets: LifetimeLeaf = timedelta(days=30)
    outputs: LifetimeLeaf = None
    temp: LifetimeLeaf = timedelta(hours=24)
    clips: LifetimeLeaf = timedelta(hours=1)
    archives: LifetimeLeaf = timedelta(days=30)

    def of(self, category: Category) -> timedelta | None:
        """Return the lifetime of a category; None is indefinite."""
        lifetime: timedelta | None = getattr(self, category.value)
        return lifetime


class Quotas(Section):
    """How many bytes the files of this category may take together."""

    uploads: QuotaLeaf = 10 * GIB
    frames: QuotaLeaf = 50 * GIB
    contact_sheets: QuotaLeaf = 20 * GIB
    outputs: QuotaLeaf = 100 * GIB
    temp: QuotaLeaf = 5 * GIB
    clips: QuotaLeaf = GIB
    archives: QuotaLeaf = None

    def of(self, category: Category) -> int | None:
        """Return the bytes a category may take; None is no quota."""
        quota_bytes: int | None = getattr(self, category.value)
        return quota_bytes


class Accept(Section):
    """The media types this category takes."""

    uploads: MediaTypesLeaf = ()
    frames: MediaTypesLeaf = ()
    contact_sheets: MediaTypesLeaf = ()
    outputs: MediaTypesLeaf = ()
    temp: MediaTypesLeaf = ()
    clips: MediaTypesLeaf = ()
    archives: MediaTypesLeaf = ()

    def of(self, category: Category) -> tuple[str, ...]:
        """Return the media types or patterns a category takes; empty takes everything."""
        patterns: tuple[str, ...] = getattr(self, category.value)
        return patterns


class Schedules(Section):
    """When this category is swept; none follows storage.cleanup.schedule."""

    uploads: OwnCronLeaf = None
    frames: OwnCronLeaf = None
    contact_sheets: OwnCronLeaf = None
    outputs: OwnCronLeaf = None
    temp: OwnCronLeaf = "0 * * * *"
    clips: OwnCronLeaf = "*/15 * * * *"
    archives: OwnCronLeaf = "0 3 * * *"


class Cleanup(Section):
    """The sweep."""

    enabled: SwitchLeaf = True
    """Whether the scheduler sweeps at all."""
    dry_run: SwitchLeaf = False
    """Whether sweeps only report what they would delete."""
    batch_size: Annotated[int, Whole(1, 10_000)] = 2000
    """How many files one transaction claims."""
    schedule: CronLeaf = "0 2 * * *"
    """When the categories without a schedule of their own are swept."""
    schedules: Schedules = Schedules()
    run_at_start: SwitchLeaf = True
    """Whether a sweep runs when the service starts."""
    budget_seconds: Annotated[float | None, Seconds(1, 604_800, optional=True)] = 3600
    """How long one sweep may run."""
    budget_files: Annotated[int | None, Whole(1, 10**12, optional=True)] = None
    """How many files one sweep may delete."""
    budget_bytes: Annotated[int | None, Size(low=1, optional=True)] = None
    """How many bytes one sweep may delete."""
    workers: Annotated[int, Whole(1, 8)] = 3
    """How many batches are deleted at the same time."""
    max_attempts: Annotated[int, Whole(1, 1000)] = 20
    """After how many failures an object becomes a dead letter."""
    use_trash: Annotated[bool, Switch(unbuilt="the trash is not available in this version")] = False
    """Whether deleted files stay restorable for a while."""

    def schedule_of(self, category: Category) -> str:
        """Return when a category is swept."""
        own: str | None = getattr(self.schedules, category.value)
        return self.schedule if own is None else own


class Monitoring(Section):
    """When the disk counts as full."""

    reserve_bytes: Annotated[int, Size()] = 256 * MIB
    """The disk space that uploads never fill."""
    alert_threshold_percent: Annotated[int, Percent(1, 100)] = 90
    """The share of a quota from which the service alerts."""


class Upload(Section):
    """What one upload may take."""

    max_bytes: Annotated[int, Size(low=1)] = 50 * GIB
    """The largest file."""
    lease_seconds: Annotated[float, Seconds(5, 3600)] = 60
    """How long an upload that stopped reporting keeps its row."""
    idle_seconds: Annotated[float, Seconds(1, 3600)] = 30
    """How long the client may send nothing."""


class Storage(Section):
    """What is stored, where and for how long."""

    base_path: OwnPlaceLeaf = None
    """The store's root; none is the directory store in data_dir."""
    retention: Retention = Retention()
    quotas: Quotas = Quotas()
    accept: Accept = Accept()
    cleanup: Cleanup = Cleanup()
    monitoring: Monitoring = Monitoring()
    upload: Upload = Upload()
