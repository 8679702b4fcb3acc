"""Documents about deleted jobs: what stays of them."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.schemas.retention import JobRetention, MomentRead
from media_analysis.retention.explain.jobs import JobExplanation
from media_analysis.retention.explain.summary import JobSummary


class JobSummaryRead(BaseModel):
    """What stays of a deleted job; nobody can read anything of it any more."""

    job_id: UUID
    state: Literal["deleted"] = "deleted"
    name: str
    kind: str
    folder_name: str
    status: str = Field(description="How it had ended")
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    archived_at: datetime | None = Field(description="When it was last archived, if it ever was")
    expires_at: datetime | None
    deleted_at: datetime
    deleted_by: str
    reason: str | None
    restorable_until: datetime | None = Field(description="All of it can be restored until then; null is not at all")
    files: int = Field(description="Files that went with it")
    size_bytes: int
    stats: dict[str, Any] = Field(description="The same by category, its results, and how it was deleted")
    timeline: list[MomentRead]

    @classmethod
    def from_summary(cls, told: JobSummary) -> Self:
        """Return the document of what stays of a job."""
        own = {"state", "restorable_until", "timeline"}
        return cls(
            **{name: getattr(told.audit, name) for name in cls.model_fields if name not in own},
            restorable_until=told.restorable_until,
            timeline=[MomentRead.model_validate(moment) for moment in told.timeline],
        )


def job_document(told: JobExplanation | JobSummary) -> JobRetention | JobSummaryRead:
    """Return the document of a job's retention, or of what stays of it."""
    return JobSummaryRead.from_summary(told) if isinstance(told, JobSummary) else JobRetention.from_explanation(told)
