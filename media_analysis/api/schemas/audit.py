"""Documents about what was deleted and who did what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.pages import decode_cursor, decode_moment, encode_moment
from media_analysis.api.schemas.base import OF_LABELS, Hex, ReadModel, RequestDocument
from media_analysis.audit import Action
from media_analysis.files.models import Tombstone
from media_analysis.labels import LabelFilters, parse_filters
from media_analysis.retention.trail import DeletionFilter, DeletionPage, EventFilter, TrailPosition
from media_analysis.states import DeletionMethod, RetentionRule
from media_analysis.storage.category import Category
from media_analysis.values import Instant, Line, Owner


class DeletionListQuery(RequestDocument):
    """Which deletions a list shows, and which page of it; unknown parameters are refused."""

    limit: int = Field(100, ge=1, le=1_000, description="How many items at the most")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")
    category: Category | None = None
    owner: Owner | None = Field(None, description="Administrators only; others see their own")
    rule: RetentionRule | None = None
    sweep_id: UUID | None = Field(None, description="What one sweep took, by way of the trash too")
    unpurged: bool = Field(default=False, description="Only those whose bytes are still in the store")
    since: Instant | None = Field(None, description="Deleted at this instant or later")
    before: Instant | None = Field(None, description="Deleted earlier than this instant")
    label: LabelFilters | None = Field(None, description=OF_LABELS)
    renditions: bool = Field(default=False, description="Whether pictures that were kept of files are told, too")

    def wanted(self, *, scope: str | None) -> DeletionFilter:
        """Return the filter for a caller who may see `scope`, everybody's deletions if None."""
        return DeletionFilter(
            owner=scope or self.owner,
            category=self.category,
            rule=self.rule,
            sweep_id=self.sweep_id,
            unpurged=self.unpurged,
            since=self.since,
            before=self.before,
            with_uploads=scope is None,
            renditions=self.renditions,
            labels=parse_filters(self.label or ()),
        )

    def after(self) -> TrailPosition | None:
        """Return the place behind which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours.

        """
        return None if self.cursor is None else TrailPosition(*decode_moment(self.cursor))


class DeletionRead(BaseModel):
    """What stays of a deleted file: a tombstone."""

    file_id: UUID
    owner: str
    category: Category
    filename: str
    size_bytes: int | None
    sha256: Hex | None
    job_id: UUID | None
    labels: dict[str, str]
    created_at: datetime
    expires_at: datetime | None
    deleted_at: datetime = Field(description="Since when nothing can bring it back")
    trashed_at: datetime | None = Field(description="When it went to the trash, if it did")
    restorable_until: datetime | None = Field(description="When its time in the trash ended")
    rule: RetentionRule
    reason: str | None
    actor: str = Field(description="Who asked, or what a sweep was started by")
    sweep_id: UUID | None
    policy_version: str | None
    method: DeletionMethod = Field(description="What was asked for; of a bucket nothing can be overwritten")
    versions_kept: bool = Field(
        description="Whether a bucket that keeps versions has the bytes still, as an older version"
    )
    purged: bool = Field(
        description="Whether its bytes are gone; they follow within moments, or when the store lets them"
    )

    @classmethod
    def from_stone(cls, stone: Tombstone, *, purged: bool) -> Self:
        """Return the document of a tombstone."""
        others = {"file_id", "actor", "labels", "purged"}
        told = {name: getattr(stone, name) for name in cls.model_fields if name not in others}
        return cls(**told, file_id=stone.id, actor=stone.requested_by, labels=stone.labels or {}, purged=purged)


class DeletionList(BaseModel):
    """One page of deletions, newest first."""

    items: Sequence[DeletionRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: DeletionPage) -> Self:
        """Return the document of a page."""
        items = [DeletionRead.from_stone(stone, purged=stone.id in page.purged) for stone in page.stones]
        after = page.next_after
        return cls(items=items, next_cursor=None if after is None else encode_moment(after.deleted_at, after.id))


class EventFilters(RequestDocument):
    """Which events are meant; unknown parameters are refused."""

    file_id: UUID | None = None
    job_id: UUID | None = Field(None, description="What was done to the job, and through it to its files")
    sweep_id: UUID | None = None
    actor: Line | None = None
    action: Action | None = None
    since: Instant | None = Field(None, description="Done at this instant or later")
    before: Instant | None = Field(None, description="Done earlier than this instant")

    def wanted(self) -> EventFilter:
        """Return the filter."""
        return EventFilter(**{name: getattr(self, name) for name in EventFilters.model_fields})


class EventListQuery(EventFilters):
    """Which events a list shows, and which page of it."""

    limit: int = Field(100, ge=1, le=1_000, description="How many items at the most")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")

    def after(self) -> UUID | None:
        """Return the id below which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours.

        """
        return decode_cursor(self.cursor)


class EventExportQuery(EventFilters):
    """Which events are written out, and how."""

    format: Literal["csv", "ndjson"] = Field(
        "ndjson", description="One JSON object a line, or a table whose first line names its columns"
    )
    most: int = Field(100_000, ge=1, le=1_000_000, description="The newest so many at the most")


class EventRead(ReadModel):
    """One act."""

    id: UUID
    at: datetime
    actor: str
    action: str
    owner: str | None = Field(description="Whose file or job it was done to")
    file_id: UUID | None
    job_id: UUID | None
    sweep_id: UUID | None
    rule: RetentionRule | None
    reason: str | None
    details: dict[str, Any]


class EventList(ReadModel):
    """One page of the audit trail, newest first."""

    items: list[EventRead]
    next_cursor: str | None
