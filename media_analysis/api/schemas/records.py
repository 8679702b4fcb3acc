"""Documents about records of the service's own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from media_analysis.api.schemas.base import RequestDocument
from media_analysis.records.service import RecordLife
from media_analysis.values import Instant


class RecordLifeRead(BaseModel):
    """How records of one kind live, and how they stand."""

    name: str
    table: str
    setting: str | None = Field(description="What sets how long they are kept; null for what has an end of its own")
    life_seconds: float | None = Field(description="How long they are kept once they are over; null is for ever")
    table_records: int | None = Field(description="About how many the table has, of all kinds in it; null on disk")
    table_bytes: int | None = Field(description="What the table and its indexes take; null for what is on disk")
    oldest_at: datetime | None = Field(description="When the life of the oldest began to count")
    ended_before: datetime | None = Field(description="Records that were over earlier may be gone; null if none ended")
    ended: int = Field(description="How many have ended in all")

    @classmethod
    def from_life(cls, life: RecordLife) -> Self:
        """Return the document of a kind."""
        told = {name: getattr(life, name) for name in cls.model_fields if name != "life_seconds"}
        return cls(**told, life_seconds=None if life.life is None else life.life.total_seconds())


class RecordLifeList(BaseModel):
    """All kinds, in the order in which they end."""

    items: Sequence[RecordLifeRead]


class ExportQuery(RequestDocument):
    """Which records are written out; unknown parameters are refused."""

    since: Instant | None = Field(None, description="Deleted, or done, at this instant or later")
    before: Instant | None = Field(None, description="Earlier than this instant, which is at least 5 minutes ago")
