"""The rows of webhooks and of what is delivered to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base


class Webhook(Base):
    """Where an owner wants to be told of events, of which, and how that goes."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_owner", "owner", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Types and patterns of types."""
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Filters, all of which have to hold."""
    secret: Mapped[str]
    """What is signed with, in clear: it cannot be used otherwise. Shown once, when it is made."""
    old_secret: Mapped[str | None]
    """What is signed with besides, for receivers that do not know the new one yet."""
    old_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    after_event: Mapped[int]
    """Behind which event of the log it is told: what happened earlier, or while it was disabled, it is not."""
    failing_since: Mapped[datetime | None]
    """Since when nothing was taken; NULL once something was."""
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]


class Delivery(Base):
    """One event on its way to one webhook, or what became of it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("uq_webhook_deliveries_message", "webhook_id", "message_id", unique=True),
        Index("ix_webhook_deliveries_webhook", "webhook_id", "position"),
        Index("ix_webhook_deliveries_due", "webhook_id", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            *("ix_webhook_deliveries_waiting", "webhook_id", "subject", "position"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
        Index("ix_webhook_deliveries_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(Identity(always=True))
    """In the order of the events."""
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    message_id: Mapped[str]
    """The same at every attempt, by which a receiver knows what it has already."""
    subject: Mapped[str]
    """What it is about; of one subject the next is sent when the one before was taken, or given up."""
    type: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime | None]
    """When it is sent, or sent again if whoever does so now dies; NULL once it was taken or given up."""
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    gives_up_at: Mapped[datetime]
    """Until when it is tried."""
    ended_at: Mapped[datetime | None]
    delivered: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether it was taken."""
    last_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    """Why it was not taken, and the beginning of what was said to that."""
    last_seconds: Mapped[float | None]


class WebhookPlace(Base):
    """How far the log has been gone through for webhooks."""

    __tablename__ = "webhook_places"

    name: Mapped[str] = mapped_column(primary_key=True)
    logged: Mapped[int]
    file: Mapped[int]
