"""What retention remembers: its runs, and bytes that still have to go."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Uuid, false, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum
from media_analysis.files.models import CATEGORY, RETENTION_RULE, RetentionRule
from media_analysis.storage.category import Category


class SweepStatus(StrEnum):
    """How a sweep stands, or ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    BUDGET_SPENT = "budget_spent"
    FAILED = "failed"
    PAUSED = "paused"
    """Something looked wrong, or somebody asked for it; nothing of a paused category was taken."""


class SweepTrigger(StrEnum):
    """What started a sweep."""

    SCHEDULE = "schedule"
    START = "start"
    API = "api"
    CLI = "cli"
    PRESSURE = "pressure"
    UPLOAD = "upload"
    PLAN = "plan"


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
    policy_version: Mapped[str | None]
    plan_id: Mapped[UUID | None]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """What only some sweeps have to say: a plan's drift, what pressure wanted and what blocked it."""


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


class Plan(Base):
    """A dry run that was kept: applying it takes exactly what it named."""

    __tablename__ = "plans"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[str]
    """SHA-256 over policy version and the ids, versions and sizes of its files, in hexadecimal."""
    policy_version: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime]
    files: Mapped[int]
    size_bytes: Mapped[int]
    categories: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    applied_at: Mapped[datetime | None]
    sweep_id: Mapped[UUID | None]


class PlanFile(Base):
    """One file of a plan, as it was when the plan was made."""

    __tablename__ = "plan_files"

    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    category: Mapped[Category] = mapped_column(CATEGORY)
    version: Mapped[int]
    size_bytes: Mapped[int]
    rule: Mapped[RetentionRule] = mapped_column(RETENTION_RULE)


class Notice(Base):
    """Something the outside is told once: an alert, or a file about to expire."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str] = mapped_column(unique=True)
    """What it is about; one topic is told once."""
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When it may (again) be sent; NULL once it was, or was given up."""
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    sent_at: Mapped[datetime | None]


class Scrub(Base):
    """One round of reading every object again; the open one resumes where it stood."""

    __tablename__ = "scrubs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    position: Mapped[UUID | None]
    """The last file it read; rounds go by id, so the next one is the one read longest ago."""
    files: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(default=0)
    problems: Mapped[int] = mapped_column(default=0)
