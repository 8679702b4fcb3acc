"""Documents about analysis jobs and their results."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from media_analysis.api.schemas.fields import Document, Instant, Line, Row, Seconds
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import FOREVER
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.storage.category import Category

Priority = Annotated[int, Field(ge=-100, le=100)]
HOLD_FIELDS: Final = frozenset({"held", "held_until", "hold_reason", "held_by"})


class JobCreate(Document):
    """What is to be analysed, how, and how long the run is kept."""

    name: Line
    kind: Line
    parameters: dict[str, Any] = Field(default_factory=dict)
    source_file_ids: list[UUID] = Field(default_factory=list, max_length=1_000)
    priority: Priority = 0
    ttl_seconds: Seconds | None = None


class JobUpdate(Document):
    """A new end for the whole run; `expires_at: null` keeps it until it is deleted."""

    ttl_seconds: Seconds | None = Field(None, description="Lifetime from now")
    expires_at: Instant | None = None

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        given = self.model_fields_set
        if len(given) != 1:
            raise ValueError("give either ttl_seconds or expires_at")
        if "ttl_seconds" in given and self.ttl_seconds is None:
            raise ValueError("ttl_seconds must be a number; send expires_at: null to keep the job indefinitely")
        return self

    def expiry(self) -> Expiry:
        """Return the new expiry."""
        if self.ttl_seconds is not None:
            return Expiry(lifetime=timedelta(seconds=self.ttl_seconds))
        return Expiry(at=self.expires_at)


class JobExtended(BaseModel):
    """When a job ends now, and how many of its files with it."""

    job_id: UUID
    expires_at: datetime | None
    files: int


class JobRead(BaseModel):
    """A job as its owner sees it."""

    id: UUID
    owner: str
    name: str
    kind: str
    parameters: dict[str, Any]
    status: JobStatus
    progress: float = Field(description="Share done, 0 to 1")
    priority: int
    attempts: int
    error: str | None
    folder_name: str
    category: Category
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    archived_at: datetime | None
    held: bool = Field(description="Whether nothing may delete it and its files")
    held_until: datetime | None = Field(description="Null, where it is held, is until somebody releases it")
    hold_reason: str | None
    held_by: str | None

    @classmethod
    def from_job(cls, job: AnalysisJob, now: datetime) -> Self:
        """Return the document of a job; a hold that has ended is told no more."""
        told = {name: getattr(job, name) for name in cls.model_fields if name not in HOLD_FIELDS}
        held = job.held_until is not None and job.held_until > now
        if not held:
            return cls(**told, held=False, held_until=None, hold_reason=None, held_by=None)
        until = None if job.held_until == FOREVER else job.held_until
        return cls(**told, held=True, held_until=until, hold_reason=job.hold_reason, held_by=job.held_by)


class ResultCreate(Document):
    """A document that a job produced."""

    kind: Line
    data: dict[str, Any]
    media_file_id: UUID | None = None
    ttl_seconds: Seconds | None = None


class ResultUpdate(Document):
    """A new end for a result."""

    expires_at: Instant | None


class ResultRead(Row):
    """A result as its owner sees it."""

    id: UUID
    job_id: UUID
    media_file_id: UUID | None
    kind: str
    data: dict[str, Any]
    category: Category
    created_at: datetime
    expires_at: datetime | None
