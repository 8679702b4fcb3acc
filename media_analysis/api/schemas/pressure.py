"""Documents about pressure: how full categories and the disk are, who goes next, and what a relief did."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.schemas.base import RequestDocument
from media_analysis.retention.pressure.levels import CategoryLevel, DiskLevel
from media_analysis.retention.pressure.outcome import Blocked, ReliefBlocker, ReliefOutcome
from media_analysis.retention.pressure.preview import Next, PressurePreview
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category


class PressureQuery(RequestDocument):
    """What of the queue is wanted; unknown parameters are refused."""

    preview: int = Field(50, ge=1, le=500, description="How many of the next files to list")
    category: Category | None = Field(None, description="Who would go for this category; for the disk without")


class CategoryPressure(BaseModel):
    """One category's level."""

    used_bytes: int = Field(description="Stored, in the trash and reserved by running uploads")
    high_water_bytes: int | None = Field(description="Above it the category is under pressure; null is never")
    low_water_bytes: int | None = Field(description="Down to which pressure evicts")
    quota_bytes: int | None
    eviction_priority: int | None = Field(description="Lowest goes first; null is never evicted")
    under_pressure: bool
    wanted_bytes: int = Field(description="How many bytes have to go to reach the low-water mark")

    @classmethod
    def from_level(cls, level: CategoryLevel) -> Self:
        """Return the document of a level."""
        return cls(
            used_bytes=level.used_bytes,
            high_water_bytes=level.rules.high_water_bytes,
            low_water_bytes=level.rules.low_water_bytes,
            quota_bytes=level.rules.quota_bytes,
            eviction_priority=level.rules.eviction_priority,
            under_pressure=level.under_pressure,
            wanted_bytes=level.wanted_bytes,
        )


class DiskPressure(BaseModel):
    """The disk's level."""

    total_bytes: int | None = Field(description="Null where the store is a bucket, which nothing but quotas bounds")
    free_bytes: int | None
    reserve_bytes: int = Field(description="What uploads never fill; with less free the disk is under pressure")
    used_percent: float
    high_percent: int = Field(description="From this share on the disk is under pressure")
    low_percent: int = Field(description="Down to which share pressure evicts")
    under_pressure: bool
    wanted_bytes: int

    @classmethod
    def from_level(cls, level: DiskLevel) -> Self:
        """Return the document of the disk's level."""
        total_bytes, free_bytes = level.capacity.told
        return cls(
            total_bytes=total_bytes,
            free_bytes=free_bytes,
            reserve_bytes=level.marks.reserve_bytes,
            used_percent=round(level.used_percent, 2),
            high_percent=level.marks.high_percent,
            low_percent=level.marks.low_percent,
            under_pressure=level.under_pressure,
            wanted_bytes=level.wanted_bytes,
        )


class NextRead(BaseModel):
    """A file whose turn comes."""

    rank: int
    file_id: UUID
    owner: str
    category: Category
    size_bytes: int
    created_at: datetime
    state: FileState
    rule: RetentionRule = Field(description="What its tombstone would say")
    why: str

    @classmethod
    def from_next(cls, following: Next) -> Self:
        """Return the document of a file whose turn comes."""
        candidate = following.candidate
        return cls(
            rank=following.rank,
            file_id=candidate.file.id,
            owner=candidate.owner,
            category=following.category,
            size_bytes=candidate.file.size_bytes,
            created_at=candidate.created_at,
            state=FileState(candidate.file.state),
            rule=following.rule,
            why=following.why,
        )


class BlockedRead(BaseModel):
    """Files that stay for one reason."""

    files: int
    bytes: int


BlockedBy = dict[ReliefBlocker, BlockedRead]


def _blocked(blocked: Blocked) -> BlockedBy:
    return {
        blocker: BlockedRead(files=amount.files, bytes=amount.size_bytes) for blocker, amount in blocked.amounts.items()
    }


class PressureRead(BaseModel):
    """How pressure stands, and who goes next."""

    categories: dict[Category, CategoryPressure]
    disk: DiskPressure
    next: list[NextRead] = Field(description="Trash first, then by eviction priority and age")
    blocked: BlockedBy = Field(description="What is passed over on the way to the last file listed, and why")

    @classmethod
    def from_preview(cls, found: PressurePreview) -> Self:
        """Return the document of a preview."""
        return cls(
            categories={level.category: CategoryPressure.from_level(level) for level in found.categories},
            disk=DiskPressure.from_level(found.disk),
            next=[NextRead.from_next(following) for following in found.next],
            blocked=_blocked(found.blocked),
        )


class OutcomeRead(BaseModel):
    """What one relief wanted, freed, and was blocked by."""

    scope: str = Field(description="`category:` and its name, or `disk`")
    wanted_bytes: int
    freed_bytes: int
    files: int = Field(description="Stored files that were evicted")
    trash_files: int = Field(description="Files purged from the trash")
    relieved: bool
    blocked: BlockedBy
    sweep_id: UUID | None = Field(description="Where it is remembered; null where cleanup only rehearses")

    @classmethod
    def from_outcome(cls, outcome: ReliefOutcome) -> Self:
        """Return the document of an outcome."""
        return cls(
            scope=outcome.scope.name,
            wanted_bytes=outcome.wanted_bytes,
            freed_bytes=outcome.freed_bytes,
            files=outcome.files,
            trash_files=outcome.trash_files,
            relieved=outcome.relieved,
            blocked=_blocked(outcome.blocked),
            sweep_id=outcome.sweep_id,
        )


class ReliefRead(BaseModel):
    """One outcome for everything that was under pressure; none where nothing was."""

    outcomes: list[OutcomeRead]

    @classmethod
    def from_outcomes(cls, outcomes: Sequence[ReliefOutcome]) -> Self:
        """Return the document of a relief."""
        return cls(outcomes=[OutcomeRead.from_outcome(outcome) for outcome in outcomes])
