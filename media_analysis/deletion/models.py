"""What deletion remembers: bytes that still have to go, and pauses."""

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Index, Uuid, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY
from media_analysis.db.base import Base, native_enum
from media_analysis.storage.category import Category


class PauseCause(StrEnum):
    """Why nothing is deleted until somebody confirms."""

    SHARE = "share"
    MEDIAN = "median"
    CLOCK = "clock"
    OPERATOR = "operator"
    EVICTION = "eviction"
    """Pressure would take more of a category within an hour than its share."""
    MARKS = "marks"
    """A water mark that was changed since the last start would evict."""

    @property
    def stops_evictions_only(self) -> bool:
        """Whether what falls due goes on being deleted."""
        return self in EVICTION_CAUSES


_TOLD_TO_USERS: Final = {
    PauseCause.SHARE: "more is due than usual",
    PauseCause.MEDIAN: "more is due than usual",
    PauseCause.CLOCK: "the clock may be wrong",
    PauseCause.EVICTION: "pressure would take more than usual",
    PauseCause.MARKS: "a water mark was changed",
}
EVICTION_CAUSES: Final = (PauseCause.EVICTION, PauseCause.MARKS)


class Purge(Base):
    """An outbox entry: tombstones of one claim whose bytes go, or went, together."""

    __tablename__ = "purges"
    __table_args__ = (
        Index("ix_purges_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_purges_dead", "dead_at", postgresql_where=text("dead_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sweep_id: Mapped[UUID | None]
    tombstone_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    """Emptied when the bytes are confirmed gone; the tombstones keep pointing here."""
    claimed_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When somebody may (again) try; NULL once confirmed, or given up as a dead letter."""
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    dead_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    secure: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the bytes are overwritten before they are unlinked."""
    again: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the bytes went once, and a writer that is gone may have written them since (design law 4)."""


class Pause(Base):
    """Deletion, or eviction alone, stands still, in one category or everywhere, until somebody confirms."""

    __tablename__ = "pauses"
    __table_args__ = (Index("ix_pauses_open", "category", postgresql_where=text("resumed_at IS NULL")),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    category: Mapped[Category | None] = mapped_column(CATEGORY)
    """NULL is every category."""
    cause: Mapped[PauseCause] = mapped_column(native_enum(PauseCause))
    reason: Mapped[str]
    files: Mapped[int]
    """How many files the sweep, or pressure, would have taken; a confirmation covers as many."""
    size_bytes: Mapped[int]
    paused_at: Mapped[datetime]
    paused_by: Mapped[str]
    resumed_at: Mapped[datetime | None]
    resumed_by: Mapped[str | None]

    @property
    def public_reason(self) -> str:
        """What every caller is told: an operator's own words, and of a cause found here no figures of others."""
        return _TOLD_TO_USERS.get(self.cause, self.reason)
