"""What is said of files in one word: categories, states, rules of deletion and its methods, and their SQL types."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from media_analysis.db.base import native_enum
from media_analysis.storage.category import Category

FOREVER: Final = datetime.max.replace(tzinfo=UTC)
"""A hold without an end; PostgreSQL's `infinity`."""


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


CATEGORY = native_enum(Category)
FILE_STATE = native_enum(FileState)
RETENTION_RULE = native_enum(RetentionRule)
