"""The rows of files: living ones, what stays of deleted ones, and their sums."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, SmallInteger, false, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY, FILE_STATE, LABELS, RETENTION_RULE
from media_analysis.db.base import Base, Until, native_enum
from media_analysis.db.ids import index_of_ends
from media_analysis.files.indexes import FILE_INDEXES
from media_analysis.states import DeletionMethod, FileState, RetentionRule
from media_analysis.storage.category import Category


class MediaFile(Base):
    """One stored object, what it is for, and the moment it must stop existing."""

    __tablename__ = "media_files"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0 AND reserved_bytes >= 0", name="sizes_not_negative"),
        CheckConstraint(
            "state = 'pending' OR (size_bytes IS NOT NULL AND stored_at IS NOT NULL)",
            name="stored_is_complete",
        ),
        *FILE_INDEXES,
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    category: Mapped[Category] = mapped_column(CATEGORY)
    state: Mapped[FileState] = mapped_column(FILE_STATE, default=FileState.PENDING)
    key: Mapped[str]
    filename: Mapped[str]
    """What the client calls it; metadata only, never part of a path."""
    media_type: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("analysis_jobs.id"))
    parent_id: Mapped[UUID | None]
    """What it was derived from; may name a tombstone, hence no foreign key."""
    labels: Mapped[dict[str, str] | None] = mapped_column(LABELS)
    """What whoever made it calls it by; NULL is none."""
    role: Mapped[str | None]
    """What a product is to its job, such as `frame`; NULL for what nobody derived."""
    ordinal: Mapped[int | None]
    """A product's place among those of its role, from 0, in time order."""
    instant_seconds: Mapped[float | None]
    """Where in its parent it was taken."""
    rendition: Mapped[str | None]
    """Which picture of its parent it is, kept because somebody looked at that; it goes when its parent goes."""
    job_fence: Mapped[int | None]
    """The claim it was made under; pending products of an older one are nobody's."""
    size_bytes: Mapped[int | None]
    reserved_bytes: Mapped[int | None]
    """What the ledger holds for a pending file that is whole, or that this service itself is writing; then NULL."""
    arrived_bytes: Mapped[int | None]
    """About how much of a large upload has arrived; no quota counts it, but whose it is counts for fairness."""
    sha256: Mapped[bytes | None]
    """NULL while pending, and for an imported file until the scrub has read it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    stored_at: Mapped[datetime | None]
    """When its bytes were complete; its category's lifetime counts from here."""
    expires_at: Mapped[datetime | None]
    """From this instant on its content answers 410; NULL means indefinite."""
    expiry_explicit: Mapped[bool] = mapped_column(default=False)
    min_retain_until: Mapped[datetime | None]
    held_until: Mapped[datetime | None] = mapped_column(Until)
    """`infinity` until somebody releases it."""
    hold_reason: Mapped[str | None]
    held_by: Mapped[str | None]
    job_held_until: Mapped[datetime | None] = mapped_column(Until)
    """Its job's hold, copied here so that a claim needs no other table."""
    leased_until: Mapped[datetime | None]
    """A running job works with it until then, unless it renews."""
    due_at: Mapped[datetime | None]
    """When the sweep may next act on it, never later than that; NULL while held or indefinite."""
    trashed_at: Mapped[datetime | None]
    trash_ends_at: Mapped[datetime | None]
    """Until when it can be restored."""
    trash_rule: Mapped[RetentionRule | None] = mapped_column(RETENTION_RULE)
    trashed_by: Mapped[str | None]
    trash_reason: Mapped[str | None]
    trash_sweep_id: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Grows whenever something its retention depends on changes; a plan takes only what it saw."""
    last_error: Mapped[str | None]


class Tombstone(Base):
    """What stays of a deleted file: the facts its deletion was decided by, the rule, and who asked."""

    __tablename__ = "tombstones"
    __table_args__ = (
        index_of_ends("ix_tombstones_id_end"),
        Index("ix_tombstones_deleted_at", "deleted_at", "id"),
        Index("ix_tombstones_owner", "owner", "deleted_at", "id"),
        Index(
            "ix_tombstones_evicted",
            "category",
            "deleted_at",
            postgresql_include=["size_bytes"],
            postgresql_where=text("rule = 'pressure'"),
        ),
        Index(
            "ix_tombstones_requested",
            "deleted_at",
            postgresql_include=["category", "trashed_at"],
            postgresql_where=text("rule = 'requested'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The id the file had."""
    owner: Mapped[str]
    category: Mapped[Category] = mapped_column(CATEGORY)
    state: Mapped[FileState] = mapped_column(FILE_STATE)
    key: Mapped[str]
    filename: Mapped[str]
    media_type: Mapped[str]
    job_id: Mapped[UUID | None]
    parent_id: Mapped[UUID | None]
    labels: Mapped[dict[str, str] | None] = mapped_column(LABELS)
    rendition: Mapped[str | None]
    size_bytes: Mapped[int | None]
    sha256: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    min_retain_until: Mapped[datetime | None]
    held_until: Mapped[datetime | None] = mapped_column(Until)
    job_held_until: Mapped[datetime | None] = mapped_column(Until)
    leased_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime]
    """When it could no longer be restored and its bytes were given up."""
    trashed_at: Mapped[datetime | None]
    restorable_until: Mapped[datetime | None]
    """When its time in the trash ended, or would have."""
    rule: Mapped[RetentionRule] = mapped_column(RETENTION_RULE)
    reason: Mapped[str | None]
    requested_by: Mapped[str]
    sweep_id: Mapped[UUID | None]
    """The sweep that took it away: into the trash, if it was there."""
    policy_version: Mapped[str | None]
    versions_kept: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the bytes stay in their bucket, as an older version, since they were deleted there."""
    method: Mapped[DeletionMethod] = mapped_column(
        native_enum(DeletionMethod), default=DeletionMethod.UNLINK, server_default="unlink"
    )
    purged_at: Mapped[datetime | None]
    """Written where a deletion asked for more than unlinking was done; else the outbox entry says it."""
    purge_id: Mapped[UUID]
    """The outbox entry that removes, or removed, its bytes."""


class LedgerEntry(Base):
    """Bytes and files of one owner in one category, exact at every commit."""

    __tablename__ = "ledger"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0 AND reserved_bytes >= 0 AND files >= 0", name="sums_not_negative"),
        Index("ix_ledger_category", "category", "owner"),
    )

    owner: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[Category] = mapped_column(CATEGORY, primary_key=True)
    files: Mapped[int] = mapped_column(default=0)
    """Stored and trashed ones."""
    size_bytes: Mapped[int] = mapped_column(default=0)
    reserved_bytes: Mapped[int] = mapped_column(default=0)
    trashed_files: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How many of them are in the trash."""
    trashed_bytes: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class CategoryUsage(Base):
    """What a category's quota is measured against: bytes stored, in the trash and reserved, of all owners."""

    __tablename__ = "category_usage"

    category: Mapped[Category] = mapped_column(CATEGORY, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(default=0)


class LedgerDay(Base):
    """The ledger's history: what was stored on one day (UTC) in one category, whatever became of it, and what went."""

    __tablename__ = "ledger_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    category: Mapped[Category] = mapped_column(CATEGORY, primary_key=True)
    files: Mapped[int]
    size_bytes: Mapped[int]
    gone_files: Mapped[int] = mapped_column(server_default=text("0"))
    gone_bytes: Mapped[int] = mapped_column(server_default=text("0"))


class DueDay(Base):
    """A change of what falls due in an hour; written by triggers, summed by readers, folded by sweeps.

    Files whose end their category decides also tell the day they were stored, so that a forecast can ask
    what another lifetime would do.
    """

    __tablename__ = "due_days"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    category: Mapped[Category] = mapped_column(CATEGORY)
    stored_on: Mapped[date | None]
    due_on: Mapped[date | None]
    """NULL is never: held or indefinite."""
    due_hour: Mapped[int | None] = mapped_column(SmallInteger)
    """Of that day (UTC), from 0."""
    files: Mapped[int]
    size_bytes: Mapped[int]
