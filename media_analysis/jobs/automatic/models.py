"""The rows of what is to run by itself, and up to where the log was read for it."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base

END_ANALYSES: Final = "DELETE FROM upload_analyses"


class AnalysisState(StrEnum):
    """What became of it."""

    WAITING = "waiting"
    MADE = "made"
    """There is a job, or was one."""
    SKIPPED = "skipped"


class AnalysisReason(StrEnum):
    """Why there is no job yet, or never will be."""

    MEDIA_TYPE_UNSUITABLE = "media_type_unsuitable"
    """The kind does not read files of this media type."""
    FILE_GONE = "file_gone"
    """The file was deleted, trashed or archived, or expired."""
    QUEUE_FULL = "queue_full"
    """Many jobs of its owner wait already."""
    SERVICE_BUSY = "service_busy"
    """Many jobs wait already, whosever they are."""
    NO_ROOM = "no_room"
    """What it would make has hardly any room in its category, or in its owner's part of it."""
    DISK_FULL = "disk_full"
    """The disk is at its reserve."""


class UploadAnalysis(Base):
    """One kind that is to run by itself on one file, and what became of that."""

    __tablename__ = "upload_analyses"
    __table_args__ = (
        Index("ix_upload_analyses_due", "owner", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_upload_analyses_over", text("coalesce(ended_at, created_at)")),
    )

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    job_id: Mapped[UUID]
    """What its job is called, there or not: known before, so that it is made once however often that is tried."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime | None]
    """When it is looked at next, also if whoever looks at it now dies; NULL once it is decided."""
    ended_at: Mapped[datetime | None]
    made: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    reason: Mapped[str | None]

    @property
    def state(self) -> AnalysisState:
        """What became of it so far."""
        if self.ended_at is None:
            return AnalysisState.WAITING
        return AnalysisState.MADE if self.made else AnalysisState.SKIPPED


class AnalysisPlace(Base):
    """Up to where the log was read for what is to run by itself."""

    __tablename__ = "analysis_places"

    name: Mapped[str] = mapped_column(primary_key=True)
    logged: Mapped[int]
