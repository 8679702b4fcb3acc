"""Where the content of files is that were archived."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivePlace:
    """Where the content of an archived file is, or until when it was there."""

    job_id: UUID
    file_id: UUID
    archive_id: UUID | None
    """The segment that has it; None once that is gone for good."""
    archived_at: datetime
    available: bool
    """Whether it can be read there, and restored."""
    kept_until: datetime | None
    """When the archive goes, or its time in the trash ends; None is never, or long ago."""
    gone_at: datetime | None
    """When the archive was deleted, with its run or alone."""
    gone_by: str | None
    gone_reason: str | None
