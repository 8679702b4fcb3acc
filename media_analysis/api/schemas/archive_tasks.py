"""Documents about how archiving and restoring goes on."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.schemas.base import RequestDocument
from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind, ArchiveTaskStatus


class RestoreQuery(RequestDocument):
    """What of a job is to come back; unknown parameters are refused, lest a mistyped `file_id` restores all of it."""

    file_id: UUID | None = Field(None, description="One file out of the job's archive; without, the whole job")


class ArchiveError(BaseModel):
    """Why archiving or restoring a job failed; it is as it was before."""

    code: str
    detail: str


class ArchiveTaskRead(BaseModel):
    """One archiving or restoring of a job: asked for, under way or ended."""

    id: UUID
    job_id: UUID
    kind: ArchiveTaskKind
    status: ArchiveTaskStatus
    file_id: UUID | None = Field(description="The one file that is restored; null is all of the job")
    trigger: str = Field(description="`schedule`, `request` or `cli`")
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int = Field(description="How often somebody began it")
    stage: str | None = Field(description="What it is at, such as `packing`, `proving`, `restoring` or `retrying`")
    progress: float = Field(description="Share done, 0 to 1")
    done_bytes: int
    total_bytes: int = Field(description="What it will read in all, as far as is known yet")
    error: ArchiveError | None = Field(description="Of one that failed")
    stats: dict[str, Any] = Field(description="Of one that completed: files, bytes before and after, seconds")

    @classmethod
    def from_task(cls, task: ArchiveTask) -> Self:
        """Return the document of a task."""
        made = {"progress", "error"}
        told = {name: getattr(task, name) for name in cls.model_fields if name not in made}
        failed = task.status is ArchiveTaskStatus.FAILED
        error = ArchiveError(code=task.error_code or "internal_error", detail=task.error or "") if failed else None
        return cls(**told, progress=_progress_of(task), error=error)


def _progress_of(task: ArchiveTask) -> float:
    if task.status is ArchiveTaskStatus.COMPLETED:
        return 1.0
    return min(1.0, task.done_bytes / task.total_bytes) if task.total_bytes else 0.0
