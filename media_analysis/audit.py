"""The audit trail: who did what to which file, job or policy, and why; rows are only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, bindparam, func, insert, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from media_analysis.columns import RETENTION_RULE
from media_analysis.db.base import Base
from media_analysis.states import RetentionRule

END_EVENTS: Final = "DELETE FROM audit_events"


class Action(StrEnum):
    """What can be done that somebody may ask about later; deletions by sweeps have tombstones instead."""

    EXTENDED = "extended"
    LABELLED = "labelled"
    HELD = "held"
    RELEASED = "released"
    TRASHED = "trashed"
    RESTORED = "restored"
    ARCHIVED = "archived"
    UNARCHIVED = "unarchived"
    DELETED = "deleted"
    SWEPT = "swept"
    UNDONE = "undone"
    POLICY_ACTIVATED = "policy_activated"
    POLICY_APPLIED = "policy_applied"
    PAUSED = "paused"
    RESUMED = "resumed"
    PLANNED = "planned"
    IMPORTED = "imported"
    QUARANTINED = "quarantined"
    DAMAGED = "damaged"
    HEALED = "healed"
    LINKED = "linked"
    LINK_REVOKED = "link_revoked"
    LINK_USED = "link_used"
    LINK_KEY_ROTATED = "link_key_rotated"
    MOVE_STARTED = "move_started"
    MOVE_SWITCHED = "move_switched"
    MOVE_CANCELLED = "move_cancelled"
    MOVE_LEFTOVERS_DELETED = "move_leftovers_deleted"


def _index(column: str) -> Index:
    return Index(f"ix_audit_events_{column}", column, "id", postgresql_where=text(f"{column} IS NOT NULL"))


class AuditEvent(Base):
    """One act; PostgreSQL refuses to change it, and to remove it before its life is over."""

    __tablename__ = "audit_events"
    __table_args__ = (
        _index("file_id"),
        _index("job_id"),
        _index("sweep_id"),
        Index("ix_audit_events_actor", "actor", "id"),
        Index("ix_audit_events_action", "action", "id"),
        Index(
            "ix_audit_events_policy", "id", postgresql_where=text("action IN ('policy_activated', 'policy_applied')")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    action: Mapped[str]
    """One of `Action`; text, for the trail outlives the words of a version."""
    owner: Mapped[str | None]
    file_id: Mapped[UUID | None]
    job_id: Mapped[UUID | None]
    sweep_id: Mapped[UUID | None]
    rule: Mapped[RetentionRule | None] = mapped_column(RETENTION_RULE)
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


ADD_EVENTS: Final = "INSERT INTO audit_events (id, actor, action, owner, file_id, job_id, sweep_id, rule, details)"
"""Begins the part of a statement that tells of the rows the others change; what to tell is selected behind it."""
_ADD_FILE_EVENTS: Final = text("""
    INSERT INTO audit_events (id, actor, action, owner, file_id, job_id, details)
    SELECT event.id, :actor, :action, :owner, event.file_id, :job_id, :details
    FROM unnest(CAST(:ids AS uuid[]), CAST(:file_ids AS uuid[])) AS event(id, file_id)
""").bindparams(bindparam("details", type_=AuditEvent.details.type))


@dataclass(frozen=True, kw_only=True)
class Act:
    """An event about to be written."""

    actor: str
    action: Action
    owner: str | None = None
    file_id: UUID | None = None
    job_id: UUID | None = None
    sweep_id: UUID | None = None
    rule: RetentionRule | None = None
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


async def add_events(session: AsyncSession, acts: Sequence[Act]) -> None:
    """Write events in the transaction of what they tell."""
    if acts:
        rows = [{**vars(act), "id": uuid7(), "details": dict(act.details)} for act in acts]
        await session.execute(insert(AuditEvent), rows)


async def add_file_events(session: AsyncSession, act: Act, file_ids: Sequence[UUID]) -> None:
    """Write the same event of each of many files."""
    told = {"actor": act.actor, "action": act.action.value, "owner": act.owner, "job_id": act.job_id}
    events = {"ids": [uuid7() for _ in file_ids], "file_ids": file_ids, "details": dict(act.details)}
    await session.execute(_ADD_FILE_EVENTS, told | events)
