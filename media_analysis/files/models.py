"""The rows of files: living ones, what stays of deleted ones, their sums, and upload retries."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum
from media_analysis.storage.category import Category


class FileState(StrEnum):
    """Where a file is in its life."""

    PENDING = "pending"
    STORED = "stored"
    ARCHIVED = "archived"
    TRASHED = "trashed"


class RetentionRule(StrEnum):
    """Why a file went, or why it stays."""

    REQUESTED = "requested"
    UPLOAD_ABANDONED = "upload_abandoned"
    EXPLICIT_EXPIRY = "explicit_expiry"
    CATEGORY_LIFETIME = "category_lifetime"
    UPLOAD_LEASE = "upload_lease"
    MINIMUM_RETENTION = "minimum_retention"
    HOLD = "hold"
    INDEFINITE = "indefinite"


CATEGORY = native_enum(Category)
FILE_STATE = native_enum(FileState)
RETENTION_RULE = native_enum(RetentionRule)


class MediaFile(Base):
    """One stored object, what it is for, and the moment it must stop existing."""

    __tablename__ = "media_files"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0 AND reserved_bytes >= 0", name="sizes_not_negative"),
        CheckConstraint(
            "state = 'pending' OR (size_bytes IS NOT NULL AND sha256 IS NOT NULL AND stored_at IS NOT NULL)",
            name="stored_is_complete",
        ),
        Index("ix_media_files_due", "category", "due_at", "id", postgresql_where=text("due_at IS NOT NULL")),
        # Few at any time; without it, looking for abandoned uploads would read all that is due.
        Index("ix_media_files_pending", "category", "due_at", "id", postgresql_where=text("state = 'pending'")),
        Index("ix_media_files_owner", "owner", "id"),
        Index("ix_media_files_owner_category", "owner", "category", "id"),
        Index("ix_media_files_job", "job_id", "id", postgresql_where=text("job_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    category: Mapped[Category] = mapped_column(CATEGORY)
    state: Mapped[FileState] = mapped_column(FILE_STATE, default=FileState.PENDING)
    key: Mapped[str] = mapped_column(unique=True)
    filename: Mapped[str]
    """What the client calls it; metadata only, never part of a path."""
    media_type: Mapped[str]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("analysis_jobs.id"))
    parent_id: Mapped[UUID | None]
    """What it was derived from; may name a tombstone, hence no foreign key."""
    size_bytes: Mapped[int | None]
    reserved_bytes: Mapped[int] = mapped_column(default=0)
    """What a pending upload has announced and the ledger holds for it."""
    sha256: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    stored_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    """From this instant on its content answers 410; NULL means indefinite."""
    expiry_explicit: Mapped[bool] = mapped_column(default=False)
    min_retain_until: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    hold_reason: Mapped[str | None]
    due_at: Mapped[datetime | None]
    """When the sweep may next act on it; NULL while held or indefinite."""
    last_error: Mapped[str | None]


class Tombstone(Base):
    """What stays of a deleted file: the facts its deletion was decided by, the rule, and who asked."""

    __tablename__ = "tombstones"

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
    size_bytes: Mapped[int | None]
    sha256: Mapped[bytes | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    min_retain_until: Mapped[datetime | None]
    held_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime]
    rule: Mapped[RetentionRule] = mapped_column(RETENTION_RULE)
    requested_by: Mapped[str]
    purge_id: Mapped[UUID]
    """The outbox entry that removes, or removed, its bytes."""


class LedgerEntry(Base):
    """Bytes and files of one owner in one category, exact at every commit."""

    __tablename__ = "ledger"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0 AND reserved_bytes >= 0 AND files >= 0", name="sums_not_negative"),
    )

    owner: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[Category] = mapped_column(CATEGORY, primary_key=True)
    files: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(default=0)
    reserved_bytes: Mapped[int] = mapped_column(default=0)


class IdempotencyKey(Base):
    """An upload that may be asked for again within a day and must then be answered as before."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expires_at", "expires_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    file_id: Mapped[UUID]
    """The upload that holds the key now."""
    fingerprint: Mapped[bytes]
    """SHA-256 of the request's parameters, without its body."""
    answer: Mapped[dict[str, Any] | None]
    """The file as it was answered; NULL while the upload is in flight."""
    expires_at: Mapped[datetime]
