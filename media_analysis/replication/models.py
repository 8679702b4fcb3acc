"""The rows of replicas: which there are, which are to be made, and up to where the log was read for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from media_analysis.db.base import Base


class Replica(Base):
    """The replica of one file: there, or still to be made; kept by whoever copies, never by whoever uploads."""

    __tablename__ = "replicas"
    __table_args__ = (Index("ix_replicas_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str]
    size_bytes: Mapped[int]
    noted_at: Mapped[datetime]
    """Since when the file has been stored, as far as the log tells."""
    due_at: Mapped[datetime | None]
    """When it is looked at next, also if whoever looks at it now dies; NULL while nothing is to be done."""
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How often it was taken on since it was last whole."""
    lease_id: Mapped[UUID | None]
    """Of whoever took it on last; NULL where nobody has since it was noted, or was last whole."""
    copied_at: Mapped[datetime | None]
    """When it was found whole; NULL as long as there is none."""
    heals: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether the primary is to be mended from it."""
    last_error: Mapped[str | None]


class ReplicaPlace(Base):
    """The single row of where replicas lie, and up to where log and files were gone through for them."""

    __tablename__ = "replica_places"
    __table_args__ = (CheckConstraint("singleton", name="single_row"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    address: Mapped[str]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    """Since when all files are gone through for it, or were."""
    marked_at: Mapped[datetime | None]
    """When its marker was first seen; without the marker it is away from then on, not new."""
    logged: Mapped[int]
    walk_after: Mapped[int]
    """Everything up to this event is settled before the walk over files begins."""
    walked: Mapped[UUID | None]
    """The last file of the walk; NULL before its first."""
    walk_ended_at: Mapped[datetime | None]
