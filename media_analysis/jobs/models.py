"""Analysis jobs and the documents they produce."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, Until, native_enum
from media_analysis.storage.category import Category


class JobStatus(StrEnum):
    """Where a job is in its run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AnalysisJob(Base):
    """One request to analyse media, its progress, and how long its run is kept."""

    __tablename__ = "analysis_jobs"
    __table_args__ = (
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_is_share"),
        Index("ix_analysis_jobs_owner", "owner", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    status: Mapped[JobStatus] = mapped_column(native_enum(JobStatus), default=JobStatus.PENDING)
    progress: Mapped[float] = mapped_column(default=0.0)
    """Share done, 0 to 1."""
    priority: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    folder_name: Mapped[str] = mapped_column(unique=True)
    """`YYYYMMDD_HHMMSS_{id}` in UTC."""
    category: Mapped[Category] = mapped_column(native_enum(Category), default=Category.OUTPUTS)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    archive_file_id: Mapped[UUID | None]
    deleted_at: Mapped[datetime | None]
    deletion_reason: Mapped[str | None]
    held_until: Mapped[datetime | None] = mapped_column(Until)
    hold_reason: Mapped[str | None]
    held_by: Mapped[str | None]


class AnalysisResult(Base):
    """A JSON document that a job produced."""

    __tablename__ = "analysis_results"
    __table_args__ = (Index("ix_analysis_results_job", "job_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("analysis_jobs.id"))
    media_file_id: Mapped[UUID | None]
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    category: Mapped[Category] = mapped_column(native_enum(Category), default=Category.OUTPUTS)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
