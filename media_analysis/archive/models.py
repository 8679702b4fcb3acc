"""What is remembered of archiving and restoring: each asked for, under way or ended."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum


class ArchiveTaskKind(StrEnum):
    """What is done to a run."""

    ARCHIVE = "archive"
    RESTORE = "restore"


class ArchiveTaskStatus(StrEnum):
    """Where a task is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class ArchiveTask(Base):
    """One archiving or restoring of one run; a run has at most one that is open."""

    __tablename__ = "archive_tasks"
    __table_args__ = (
        CheckConstraint("done_bytes >= 0 AND total_bytes >= 0", name="progress_not_negative"),
        Index(
            "uq_archive_tasks_open", "job_id", unique=True, postgresql_where=text("status IN ('pending', 'running')")
        ),
        Index("ix_archive_tasks_job", "job_id", "id"),
        Index("ix_archive_tasks_ended", "kind", "status", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("ix_archive_tasks_waiting", "id", postgresql_where=text("status IN ('pending', 'running')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID]
    owner: Mapped[str]
    kind: Mapped[ArchiveTaskKind] = mapped_column(native_enum(ArchiveTaskKind))
    status: Mapped[ArchiveTaskStatus] = mapped_column(
        native_enum(ArchiveTaskStatus), default=ArchiveTaskStatus.PENDING, server_default="pending"
    )
    file_id: Mapped[UUID | None]
    """The one file that is restored; NULL is all of the run."""
    trigger: Mapped[str]
    """`schedule`, `request` or `cli`."""
    requested_by: Mapped[str]
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claim_until: Mapped[datetime | None]
    """From then on nobody begins it: the scheduled run it belongs to has spent its time."""
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Claims; whoever writes under an older one is refused."""
    leased_until: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    stage: Mapped[str | None]
    done_bytes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    total_bytes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """What it will read of the run in all, as far as is known yet."""
    archive_id: Mapped[UUID | None]
    """The segment it wrote."""
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    stats: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """Files, bytes before and after by media type, and seconds by stage."""
