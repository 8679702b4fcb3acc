"""What retention remembers: sweeps, plans, notices and rounds of the scrub."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY, RETENTION_RULE
from media_analysis.db.base import Base, native_enum
from media_analysis.states import RetentionRule
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
