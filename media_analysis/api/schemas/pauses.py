"""Documents about pauses of deletion."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.deletion.models import PauseCause
from media_analysis.storage.category import Category
from media_analysis.values import Line


class PauseCreate(
    RequestDocument, json_schema_extra={"examples": [{"category": "uploads", "reason": "The backup runs"}]}
):
    """Where deletion is to stand still, and why."""

    category: Category | None = Field(None, description="Only this category; everything without")
    reason: Line = Field(description="Also shown by `/readyz`, to which anybody may listen")


class PauseResume(RequestDocument, json_schema_extra={"examples": [{"confirm": 0}]}):
    """The confirmation that deletion may go on."""

    confirm: int = Field(
        strict=True, ge=0, le=2**63 - 1, description="How many files the pause names: its `files`, 0 for an operator's"
    )


class PauseQuery(RequestDocument):
    """Which pauses are wanted."""

    open: bool | None = Field(None, description="Only those that stand (true), or only those that ended (false)")
    limit: int = Field(100, ge=1, le=500)


class PauseRead(ReadModel):
    """A pause: who or what stopped deletion, where and why, and who let it go on."""

    id: UUID
    category: Category | None = Field(description="null is every category")
    cause: PauseCause
    reason: str
    files: int = Field(description="How many files a sweep, or pressure, would have taken; resuming wants this number")
    size_bytes: int
    paused_at: datetime
    paused_by: str
    resumed_at: datetime | None
    resumed_by: str | None


class PauseList(ReadModel):
    """Pauses, latest first."""

    items: list[PauseRead]
