"""Documents about holds and about new ends of whole jobs."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.schemas.base import RequestDocument
from media_analysis.files.protection import Hold
from media_analysis.retention.holds import HoldRequest
from media_analysis.values import Instant, Line


class HoldCreate(
    RequestDocument,
    json_schema_extra={"examples": [{"reason": "Evidence in case 17", "until": "2030-01-01T00:00:00Z"}]},
):
    """Why something must stay, and until when."""

    reason: Line
    until: Instant | None = Field(None, description="In the future; null or absent is until somebody releases it")

    def request(self, actor: str) -> HoldRequest:
        """Return what is asked for, by whom."""
        return HoldRequest(actor=actor, reason=self.reason, until=self.until)


class HoldRead(BaseModel):
    """A file's own hold."""

    file_id: UUID
    held: bool = True
    until: datetime | None = Field(description="Null is until somebody releases it")
    reason: str
    by: str

    @classmethod
    def from_hold(cls, file_id: UUID, hold: Hold) -> Self:
        """Return the document of a hold."""
        return cls(file_id=file_id, until=hold.ends_at, reason=hold.reason, by=hold.by)


class JobHoldRead(BaseModel):
    """The hold of a job and of all its files."""

    job_id: UUID
    held: bool = True
    until: datetime | None = Field(description="Null is until somebody releases it")
    reason: str
    by: str
    files: int = Field(description="How many files it has now; those to come are held too")

    @classmethod
    def from_hold(cls, job_id: UUID, hold: Hold, files: int) -> Self:
        """Return the document of a hold."""
        return cls(job_id=job_id, until=hold.ends_at, reason=hold.reason, by=hold.by, files=files)
