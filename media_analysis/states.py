"""What is said of files in one word: their states, the rules of deletion, and its methods."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""A hold without an end; PostgreSQL's `infinity`."""


def finite(instant: datetime | None) -> datetime | None:
    """Return an instant that comes; None for one that never does."""
    return None if instant == FOREVER else instant


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
    JOB_LEASE = "job_lease"
    PRESSURE = "pressure"
    TRASH = "trash"
    ARCHIVED = "archived"
    """Its bytes went into the archive of its run."""


class DeletionMethod(StrEnum):
    """What is done to the bytes of a deleted file."""

    UNLINK = "unlink"
    OVERWRITE_BEST_EFFORT = "overwrite_best_effort"
    """Overwritten before the unlink; copy-on-write media and flash may keep earlier copies all the same."""
