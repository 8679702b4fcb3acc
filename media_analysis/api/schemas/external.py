"""Documents that analysers elsewhere exchange with the service."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api import API_PATH
from media_analysis.api.place import address
from media_analysis.api.schemas.base import Hex, RequestDocument
from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.storage.category import Category
from media_analysis.values import Filename, Line

Analyser = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="What the product is, such as `transcript`")]
Fence = Annotated[int, Field(ge=1, le=2**62, description="The fence that the claim gave")]


class ClaimCreate(RequestDocument, json_schema_extra={"examples": [{"analysers": ["words"], "worker": "laptop-7"}]}):
    """What an analyser can do, and who it is."""

    analysers: list[Analyser] = Field(min_length=1, max_length=100)
    worker: Line = Field(description="Shown as the job's worker")


class ClaimedSource(BaseModel):
    """A source of a claimed job; it stays for as long as the run does."""

    position: int
    file_id: UUID
    filename: str
    media_type: str
    size_bytes: int
    content_url: str = Field(description="Where its bytes are")


class ClaimRead(BaseModel):
    """A run of a job, and what its writes must name."""

    job_id: UUID
    folder_name: str
    fence: int
    attempt: int
    leased_until: datetime = Field(description="Send heartbeats well before; then the job goes to another")
    parameters: dict[str, Any]
    sources: list[ClaimedSource]

    @classmethod
    def from_run(cls, run: Attempt) -> Self:
        """Return the document of a run."""
        at = address(f"{API_PATH}/jobs/{run.job_id}/sources")
        names = ("position", "file_id", "filename", "media_type", "size_bytes")
        sources: Sequence[ClaimedSource] = [
            ClaimedSource(
                **{name: getattr(source, name) for name in names},
                content_url=f"{at}/{source.position}/content?fence={run.fence}",
            )
            for source in run.sources
        ]
        return cls(
            job_id=run.job_id,
            folder_name=run.folder_name,
            fence=run.fence,
            attempt=run.attempt,
            leased_until=run.leased_until,
            parameters=dict(run.parameters),
            sources=list(sources),
        )


class HeartbeatCreate(
    RequestDocument,
    json_schema_extra={"examples": [{"fence": 1, "progress": 0.5, "stage": "counting", "done": 5, "total": 10}]},
):
    """A sign of life, and how far the run is."""

    fence: Fence
    progress: float | None = Field(None, strict=True, ge=0, le=1)
    stage: Line = "analysing"
    done: int | None = Field(None, strict=True, ge=0, le=2**53)
    total: int | None = Field(None, strict=True, ge=0, le=2**53)


class HeartbeatRead(BaseModel):
    """Until when the run is the analyser's."""

    leased_until: datetime


class ProductQuery(RequestDocument):
    """What is said of a product beside its bytes."""

    fence: Fence
    role: Role
    ordinal: int = Field(0, ge=0, le=10_000_000, description="Its place among those of its role")
    filename: Filename
    category: Category = Field(Category.OUTPUTS, description="Without, `outputs`")
    source_file_id: UUID | None = Field(None, description="The source it was derived from")
    instant_seconds: float | None = Field(None, ge=0, le=10_000_000, allow_inf_nan=False)


class ProductRead(BaseModel):
    """A staged product; it becomes a file when the job completes."""

    file_id: UUID
    role: str | None
    ordinal: int | None
    category: Category
    media_type: str
    size_bytes: int | None
    sha256: Hex | None

    @classmethod
    def from_file(cls, file: MediaFile) -> Self:
        """Return the document of a staged file."""
        names = [name for name in cls.model_fields if name != "file_id"]
        return cls(file_id=file.id, **{name: getattr(file, name) for name in names})


class ResultQuery(RequestDocument):
    """Which run writes a result, and which source it is about."""

    fence: Fence
    source_file_id: UUID | None = None


class FinishCreate(RequestDocument, json_schema_extra={"examples": [{"fence": 1}]}):
    """The end of a run that went well."""

    fence: Fence


class FailureCreate(
    RequestDocument,
    json_schema_extra={"examples": [{"fence": 1, "code": "no_words", "detail": "The file holds no text"}]},
):
    """The end of a run that did not."""

    fence: Fence
    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    detail: Annotated[str, Field(min_length=1, max_length=2_000)]
    may_pass: bool = Field(
        False, description="Whether trying again may help; then the job is queued again, with a pause"
    )
