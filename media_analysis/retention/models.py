"""What retention remembers: its runs, and bytes that still have to go."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum


class SweepStatus(StrEnum):
    """How a sweep stands, or ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    BUDGET_SPENT = "budget_spent"
    FAILED = "failed"


class SweepTrigger(StrEnum):
    """What started a sweep."""

    SCHEDULE = "schedule"
    START = "start"
    API = "api"
    CLI = "cli"


class Sweep(Base):
    """One run over what is due."""

    __tablename__ = "sweeps"
    __table_args__ = (
        Index("uq_sweeps_kind_slot", "kind", "slot", unique=True, postgresql_where=text("slot IS NOT NULL")),
        Index("ix_sweeps_started_at", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    """`cleanup:` and the categories asked for."""
    slot: Mapped[datetime | None]
    """The tick of the schedule it answers; one sweep per kind and slot, however many replicas."""
    trigger: Mapped[SweepTrigger] = mapped_column(native_enum(SweepTrigger))
    requested_by: Mapped[str]
    dry_run: Mapped[bool]
    status: Mapped[SweepStatus] = mapped_column(native_enum(SweepStatus))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    files: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(default=0)
    errors: Mapped[int] = mapped_column(default=0)
    categories: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """Per category: `files_removed`, `bytes_freed`, `errors`."""
    error: Mapped[str | None]


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
