"""Documents about analysis jobs and their results."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from media_analysis.api.schemas.fields import Document, Instant, Line, Row, Seconds
from media_analysis.jobs.models import JobStatus
from media_analysis.storage.category import Category

Priority = Annotated[int, Field(ge=-100, le=100)]


class JobCreate(Document):
    """What is to be analysed, how, and how long the run is kept."""

    name: Line
    kind: Line
    parameters: dict[str, Any] = Field(default_factory=dict)
    source_file_ids: list[UUID] = Field(default_factory=list, max_length=1_000)
    priority: Priority = 0
    ttl_seconds: Seconds | None = None


class JobUpdate(Document):
    """A new name, or a new end for the whole run."""

    name: Line | None = None
    expires_at: Instant | None = None


class JobRead(Row):
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
