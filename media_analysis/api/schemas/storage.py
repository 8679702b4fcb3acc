"""Documents about storage, sweeps and health."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.schemas.base import OF_LABELS, RequestDocument
from media_analysis.api.schemas.removals import AmountRead
from media_analysis.deletion.selection import Amount
from media_analysis.errors import InvalidRequest
from media_analysis.labels import LabelFilter, LabelFilters, parse_filters
from media_analysis.retention.lives import Lives
from media_analysis.retention.models import Sweep, SweepStatus, SweepTrigger
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.retention.status import Quotas, StorageStats
from media_analysis.storage.category import Category


class StatsQuery(RequestDocument):
    """What is to be told besides."""

    label: LabelFilters | None = Field(None, description=f"{OF_LABELS}. One at least must be wanted")

    def labels(self) -> tuple[LabelFilter, ...]:
        """Return the filters.

        Raises:
            InvalidRequest: all are of labels that are not wanted: most files of all would be counted one by one.

        """
        labels = parse_filters(self.label or ())
        if labels and not any(label.wanted for label in labels):
            raise InvalidRequest("query.label", "one label at least must be wanted, without an exclamation mark")
        return labels


class CleanupQuery(RequestDocument):
    """What a cleanup is to do; unknown parameters are refused, for a mistyped category must not mean all of them."""

    dry_run: bool = Field(True, description="Only say what would go; give `false` to delete")
    category: Category | None = Field(None, description="Only this category; all of them without")

    def categories(self) -> tuple[Category, ...]:
        """Return what is to be swept."""
        return tuple(Category) if self.category is None else (self.category,)


class SweepListQuery(RequestDocument):
    """How many sweeps are wanted."""

    limit: int = Field(50, ge=1, le=500)


class CategoryOutcome(BaseModel):
    """What a sweep did, or would do, in one category; rows of earlier versions may lack what they did not know."""

    files_removed: int = 0
    bytes_freed: int = 0
    files_trashed: int = Field(0, description="Sent to the trash, where they can be restored")
    bytes_trashed: int = Field(0, description="Bytes that the trash still holds: nothing is freed yet")
    errors: int = 0


class SweepRead(BaseModel):
    """A sweep and its outcome; for a dry run, what a real one would have done."""

    id: UUID
    status: SweepStatus
    dry_run: bool
    trigger: SweepTrigger
    requested_by: str
    start_time: datetime
    end_time: datetime | None
    policy_version: str | None
    plan_id: UUID | None = Field(description="The plan it applied")
    categories: dict[str, CategoryOutcome]
    total_files_removed: int
    total_bytes_freed: int
    total_files_trashed: int
    total_bytes_trashed: int
    total_results_removed: int = Field(description="Documents whose time was over")
    total_jobs_removed: int = Field(description="Runs that were over, with nothing left of them")
    paused: dict[str, str] = Field(description="Categories that were left alone, and why")
    details: dict[str, Any] = Field(description="What only some sweeps have to say, such as the drift of a plan")
    error: str | None

    @classmethod
    def from_report(cls, report: SweepReport, request: SweepRequest) -> Self:
        """Return the document of a sweep that just ended."""
        return cls._of(
            {kind.value: CategoryOutcome(**tally.facts()) for kind, tally in report.tallies.items()},
            report.all_details(),
            id=report.id,
            status=report.status,
            dry_run=report.dry_run,
            trigger=request.trigger,
            requested_by=request.actor,
            start_time=report.started_at,
            end_time=report.ended_at,
            policy_version=report.policy_version,
            plan_id=report.plan_id,
            error=report.error,
        )

    @classmethod
    def from_row(cls, row: Sweep) -> Self:
        """Return the document of a sweep that is remembered."""
        return cls._of(
            {name: CategoryOutcome(**tally) for name, tally in row.categories.items()},
            row.details,
            id=row.id,
            status=row.status,
            dry_run=row.dry_run,
            trigger=row.trigger,
            requested_by=row.requested_by,
            start_time=row.started_at,
            end_time=row.ended_at,
            policy_version=row.policy_version,
            plan_id=row.plan_id,
            error=row.error,
        )

    @classmethod
    def _of(cls, outcomes: dict[str, CategoryOutcome], details: dict[str, Any], **facts: Any) -> Self:
        return cls(
            **facts,
            categories=outcomes,
            total_files_removed=sum(outcome.files_removed for outcome in outcomes.values()),
            total_bytes_freed=sum(outcome.bytes_freed for outcome in outcomes.values()),
            total_files_trashed=sum(outcome.files_trashed for outcome in outcomes.values()),
            total_bytes_trashed=sum(outcome.bytes_trashed for outcome in outcomes.values()),
            total_results_removed=details.get("results", 0),
            total_jobs_removed=details.get("jobs", 0),
            paused=details.get("paused", {}),
            details=details,
        )


class SweepList(BaseModel):
    """The latest sweeps, newest first."""

    items: list[SweepRead]


class QuotaStatus(BaseModel):
    """How much of a category's quota is used: by all for administrators, by their own files for others."""

    used_bytes: int
    quota_bytes: int | None = Field(description="Of the category; for its owners the part each of them has, if set")
    percent_used: float | None = Field(description="null where there is no quota")


class ArchivedAmount(AmountRead):
    """Archives of runs, and what is in them."""

    files: int = Field(description="Archives; a run that was archived again may have several")
    size_bytes: int = Field(description="Bytes the archives take")
    originals: AmountRead = Field(description="The files of archived runs, and their bytes before they were packed")


class StatsRead(BaseModel):
    """The disk's capacity and what the ledger says lies on it."""

    total_bytes: int | None = Field(description="Size of the store's disk, for administrators; null of a bucket")
    used_bytes: int = Field(description="Bytes of stored files, by the ledger")
    free_bytes: int | None = Field(description="Free bytes of that disk, for administrators; null of a bucket")
    file_counts: dict[str, int]
    quota_status: dict[str, QuotaStatus]
    active: AmountRead = Field(description="Stored files that are neither archives of runs nor trash")
    archived: ArchivedAmount
    trashed: AmountRead = Field(description="Deleted files whose bytes are kept for a restore")
    arriving: AmountRead = Field(description="Uploads under way, by what of them has arrived; not in the sums above")
    labelled: dict[str, AmountRead] | None = Field(
        None, description="Stored files and trash that have the labels asked for, by category; null without `label`"
    )

    @classmethod
    def of_all(cls, stats: StorageStats, lives: Lives) -> Self:
        """Return the document of what the ledger and the disk say."""
        total_bytes, free_bytes = stats.capacity.told
        return cls._of(stats, lives, stats.quotas, total_bytes=total_bytes, free_bytes=free_bytes)

    @classmethod
    def of_owner(cls, stats: StorageStats, lives: Lives) -> Self:
        """Return the document of one owner's share, which says nothing of what others have."""
        return cls._of(stats, lives, {**stats.quotas, **stats.owner_quotas}, total_bytes=None, free_bytes=None)

    def with_labelled(self, labelled: Mapping[Category, Amount] | None) -> Self:
        """Return the same with what of it has some labels."""
        told = {category.value: AmountRead.from_amount(amount) for category, amount in (labelled or {}).items()}
        return self if labelled is None else self.model_copy(update={"labelled": told})

    @classmethod
    def _of(cls, stats: StorageStats, lives: Lives, quotas: Quotas, **disk: int | None) -> Self:
        return cls(
            **disk,
            used_bytes=stats.used_bytes,
            file_counts={category.value: usage.files for category, usage in stats.usage.items()},
            quota_status={
                category.value: _quota(usage.size_bytes, quotas.get(category))
                for category, usage in stats.usage.items()
            },
            active=AmountRead.from_amount(lives.active),
            archived=ArchivedAmount(
                files=lives.archived.files,
                size_bytes=lives.archived.size_bytes,
                originals=AmountRead.from_amount(lives.originals),
            ),
            trashed=AmountRead.from_amount(lives.trashed),
            arriving=AmountRead.from_amount(lives.arriving),
        )


def _quota(used: int, quota: int | None) -> QuotaStatus:
    percent = round(100 * used / quota, 2) if quota else None
    return QuotaStatus(used_bytes=used, quota_bytes=quota, percent_used=percent)


class ValidationReport(BaseModel):
    """Whether storage is well, and what is not."""

    valid: bool
    messages: list[str] = Field(
        description="What is wrong and what to do about it, a sentence each; open pauses name their id"
    )


class Readiness(BaseModel):
    """Whether the service can do its work, part by part."""

    ready: bool
    instance_id: UUID = Field(description="The installation's own id, that of its store")
    checks: dict[str, str] = Field(
        description="`ok`, or what is wrong, for `database`, `marker`, `disk`, `process` and `deletion`. "
        "`deletion` says `paused: …` with every reason while sweeps stand still; that alone leaves the service ready"
    )
