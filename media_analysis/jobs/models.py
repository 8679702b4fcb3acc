"""Analysis jobs and the documents they produce."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, false, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import LABELS
from media_analysis.db.base import Base, Until, native_enum
from media_analysis.db.ids import index_of_ends
from media_analysis.jobs.status import JobStatus
from media_analysis.storage.category import Category

__all__ = [
    "AnalysisJob",
    "AnalysisResult",
    "JobAudit",
    "JobSource",
    "JobStatus",
    "WaitingJobs",
]

_ACTIVE: Final = "archived_at IS NULL AND deleted_at IS NULL"
_ARCHIVED: Final = "archived_at IS NOT NULL AND deleted_at IS NULL"
LINE: Final = "COALESCE(NULLIF(kind, 'external'), 'external:' || (parameters ->> 'analyser'))"
"""Where a job waits among those that the same workers can take."""
DUE: Final = "COALESCE(leased_until, retry_at, created_at)"
"""The instant from which on an open job may be begun: what runs, again when its worker's lease ends."""


class AnalysisJob(Base):
    """One request to analyse media, its progress, and how long its run is kept."""

    __tablename__ = "analysis_jobs"
    __table_args__ = (
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress_is_share"),
        index_of_ends("ix_analysis_jobs_id_end"),
        Index("ix_analysis_jobs_owner", "owner", "id"),
        Index("ix_analysis_jobs_status", "status", "id"),
        Index("ix_analysis_jobs_waiting", "owner", "id", postgresql_where=text("status = 'pending'")),
        Index("ix_analysis_jobs_kind", "kind", "id"),
        Index("ix_analysis_jobs_folder", "folder_name", postgresql_ops={"folder_name": "text_pattern_ops"}),
        Index(
            "ix_analysis_jobs_due",
            "expires_at",
            postgresql_where=text("expires_at IS NOT NULL AND deleted_at IS NULL"),
        ),
        Index(
            "ix_analysis_jobs_ended",
            "completed_at",
            postgresql_where=text("completed_at IS NOT NULL AND expires_at IS NULL AND deleted_at IS NULL"),
        ),
        Index(
            "ix_analysis_jobs_lines",
            text(f"({LINE})"),
            "owner",
            text("(NOT lifted)"),
            text("(- priority)"),
            text("(attempts = 0)"),
            text(f"({DUE})"),
            "id",
            postgresql_where=text("status IN ('pending', 'running') AND deleted_at IS NULL"),
        ),
        Index(
            "ix_analysis_jobs_begun",
            text(f"({LINE})"),
            text("('' || owner)"),
            "begun_at",
            postgresql_where=text("begun_at IS NOT NULL"),
        ),
        Index("ix_analysis_jobs_leased", "leased_until", postgresql_where=text("status = 'running'")),
        Index("ix_analysis_jobs_active", "id", postgresql_where=text(_ACTIVE)),
        Index("ix_analysis_jobs_active_owner", "owner", "id", postgresql_where=text(_ACTIVE)),
        Index("ix_analysis_jobs_archived", "archived_at", "id", postgresql_where=text(_ARCHIVED)),
        Index("ix_analysis_jobs_archived_owner", "owner", "archived_at", "id", postgresql_where=text(_ARCHIVED)),
        Index("ix_analysis_jobs_archived_end", "expires_at", "id", postgresql_where=text(_ARCHIVED)),
        Index("ix_analysis_jobs_restored", "id", postgresql_where=text(f"restored_at IS NOT NULL AND {_ACTIVE}")),
        Index(
            "ix_analysis_jobs_unarchived",
            text("COALESCE(restored_at, completed_at)"),
            "id",
            postgresql_where=text(f"completed_at IS NOT NULL AND {_ACTIVE}"),
        ),
        Index("ix_analysis_jobs_deleted", "deleted_at", "id", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_analysis_jobs_trash", "restorable_until", postgresql_where=text("restorable_until IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    parameters: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    labels: Mapped[dict[str, str] | None] = mapped_column(LABELS)
    """What whoever asked calls it by, and what its products are labelled with, too; NULL is none."""
    status: Mapped[JobStatus] = mapped_column(native_enum(JobStatus), default=JobStatus.PENDING)
    progress: Mapped[float] = mapped_column(default=0.0)
    """Share done, 0 to 1."""
    priority: Mapped[int] = mapped_column(default=0)
    lifted: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its priority counts across owners: an administrator asked for it, with a positive one."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Claims since it was last asked for; a worker that dies counts, so that a poisonous job ends."""
    fence: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Grows with every claim and cancellation; whoever writes with an older one is refused (promise 21)."""
    worker: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    """Until then its worker is taken to be alive."""
    begun_at: Mapped[datetime | None]
    """When its latest attempt began, by which owners take turns."""
    retry_at: Mapped[datetime | None]
    pinned_until: Mapped[datetime | None]
    """Until then its sources stay, whatever their own expiry says, while it waits."""
    stage: Mapped[str | None]
    stage_done: Mapped[int | None]
    stage_total: Mapped[int | None]
    warnings: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=text("'[]'"))
    produced: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """Files and bytes per category that its run stored, whatever became of them since."""
    last_event: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    error_code: Mapped[str | None]
    error: Mapped[str | None]
    lifetime_seconds: Mapped[float | None]
    """How long the run is kept once it has ended, where somebody asked for that."""
    trace: Mapped[str | None]
    """Where in which trace it was asked for (W3C `traceparent`); NULL where nobody recorded one."""
    folder_name: Mapped[str] = mapped_column(unique=True)
    """`YYYYMMDD_HHMMSS_{id}` in UTC."""
    category: Mapped[Category] = mapped_column(native_enum(Category), default=Category.OUTPUTS)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    """Since when it is read-only, and its files lie in an archive."""
    archive_file_id: Mapped[UUID | None]
    """The newest segment of its archive, which stays when the run is restored."""
    restored_at: Mapped[datetime | None]
    """When it came back from its archive; its time until the next one counts from there."""
    deleted_at: Mapped[datetime | None]
    deletion_reason: Mapped[str | None]
    restorable_until: Mapped[datetime | None]
    """At least until then a deleted job can be restored, with what the trash holds of it; NULL is never."""
    held_until: Mapped[datetime | None] = mapped_column(Until)
    hold_reason: Mapped[str | None]
    held_by: Mapped[str | None]

    def is_held(self, now: datetime) -> bool:
        """Say whether a hold of its own keeps it: at the instant its hold ends it no longer does."""
        return self.held_until is not None and self.held_until > now


class AnalysisResult(Base):
    """A JSON document that a job produced."""

    __tablename__ = "analysis_results"
    __table_args__ = (
        Index("ix_analysis_results_job", "job_id", "id"),
        Index("ix_analysis_results_owner", "owner", "id"),
        Index("ix_analysis_results_kind", "kind", "id"),
        Index("ix_analysis_results_due", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("ix_analysis_results_file", "media_file_id", "id", postgresql_where=text("media_file_id IS NOT NULL")),
        Index("ix_analysis_results_hidden", "job_id", "id", postgresql_where=text("NOT published")),
        Index("ix_analysis_results_data", "data", postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"}),
        Index(
            "uq_analysis_results_place",
            "job_id",
            "job_fence",
            "kind",
            "media_file_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("job_fence IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("analysis_jobs.id"))
    job_fence: Mapped[int | None]
    """The claim it was made under; NULL if not by a run."""
    published: Mapped[bool] = mapped_column(default=False)
    """Whether its job has completed, and neither the job nor the file it is about is deleted; else nobody sees it."""
    media_file_id: Mapped[UUID | None]
    kind: Mapped[str]
    data: Mapped[dict[str, Any]]
    category: Mapped[Category] = mapped_column(native_enum(Category), default=Category.OUTPUTS)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]


class JobSource(Base):
    """A file that a job analyses, in the order it was asked for; it may be gone by now."""

    __tablename__ = "job_sources"
    __table_args__ = (Index("ix_job_sources_kept", "file_id", "until", postgresql_where=text("until IS NOT NULL")),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("analysis_jobs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    file_id: Mapped[UUID]
    until: Mapped[datetime | None]
    """Until then the job keeps the file: it runs, or waits and pins it; NULL once it has ended."""


class WaitingJobs(Base):
    """How many jobs of an owner are pending; triggers count them at the end of every transaction, exactly."""

    __tablename__ = "waiting_jobs"

    owner: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[int]


class JobAudit(Base):
    """What stays of a deleted run."""

    __tablename__ = "job_audit"
    __table_args__ = (
        Index("ix_job_audit_owner", "owner", "deleted_at", "job_id"),
        Index("ix_job_audit_deleted_at", "deleted_at", "job_id"),
    )

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    name: Mapped[str]
    kind: Mapped[str]
    folder_name: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime]
    deleted_by: Mapped[str]
    reason: Mapped[str | None]
    files: Mapped[int]
    size_bytes: Mapped[int]
    stats: Mapped[dict[str, Any]]
    """Files and bytes per category, and what became of them."""
