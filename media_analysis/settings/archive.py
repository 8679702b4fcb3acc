"""The branch of the tree about archives of job runs."""

from typing import Annotated, Literal

from pydantic import ValidationInfo, field_validator

from media_analysis.settings.kinds import Choice, OrNone, Seconds, Size, Whole
from media_analysis.settings.remote import OwnStoreUrlLeaf
from media_analysis.settings.section import BudgetLeaf, CronLeaf, DaysLeaf, OwnPlaceLeaf, Section, SwitchLeaf

_Compression = Literal["gzip", "bz2", "xz", "zstd"]


class ArchiveSettings(Section):
    """When job runs are packed, where, and when the packs go."""

    enabled: SwitchLeaf = True
    """Whether runs are archived by the schedule."""
    schedule: CronLeaf = "0 2 * * *"
    """When runs that are due are archived."""
    after_days: DaysLeaf = 7
    """After how many days, counted from its end, a run is archived."""
    delete_after_days: DaysLeaf = 30
    """After how many days, counted like after_days, a run and its archive go; storage.retention.archives has no say."""
    compression: Annotated[_Compression, Choice(("gzip", "bz2", "xz", "zstd"))] = "gzip"
    """How archives are compressed."""
    base_path: OwnPlaceLeaf = None
    """The root of another disk that archives lie on, outside the store; none is the store."""
    url: OwnStoreUrlLeaf = None
    """Where archives lie instead, written as storage.url is."""
    concurrency: Annotated[int, Whole(1, 64)] = 2
    """How many archives one process packs or restores at the same time."""
    retry_seconds: Annotated[float, Seconds(0.001, 3600)] = 1
    """How long a second attempt waits, when database or store did not answer; further ones 5 and 25 times as long."""
    budget_seconds: BudgetLeaf = 3600
    """How long one scheduled archiving may run."""
    budget_bytes: Annotated[int | None, OrNone(Size(low=1))] = None
    """How many bytes of originals one scheduled archiving packs."""

    @field_validator("delete_after_days")
    @classmethod
    def _not_before_archiving(cls, days: int, seen: ValidationInfo) -> int:
        if days < seen.data.get("after_days", 0):
            raise ValueError(f"less than archive.after_days, which is {seen.data['after_days']}")
        return days
