"""The rows of the log of events."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Identity, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY
from media_analysis.db.base import Base
from media_analysis.storage.category import Category

EVERYBODY: Final = ""
"""Stands for all owners in `event_ends`; none is called so."""


class LoggedEvent(Base):
    """The same thing that happened at once to a job, or to some files of one owner, category and job."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_owner", "owner", "id"),
        Index("uq_events_number", "job_id", "number", unique=True, postgresql_where=text("number IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    """Given while what it tells of is locked, so that those of one file or job have the order of what happened."""
    at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    owner: Mapped[str]
    type: Mapped[str]
    """One of `EventType`."""
    category: Mapped[Category | None] = mapped_column(CATEGORY)
    job_id: Mapped[UUID | None]
    """The job, or that of the files."""
    number: Mapped[int | None]
    """Its place in the story of a job, which has no gaps; NULL for what is no part of one, or no longer."""
    file_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class EventEnd(Base):
    """Up to which id events of an owner have ended, or everybody's, which has no owner's name."""

    __tablename__ = "event_ends"

    owner: Mapped[str] = mapped_column(primary_key=True)
    through: Mapped[int]
