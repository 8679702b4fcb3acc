"""What is remembered of moves: from where to where, and what was copied."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base


class StoreMove(Base):
    """One move of a store, or of its archives, to another place; at most one is under way."""

    __tablename__ = "store_moves"
    __table_args__ = (
        Index(
            "uq_store_moves_under_way",
            text("(true)"),
            unique=True,
            postgresql_where=text("switched_at IS NULL AND cancelled_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[str]
    """A `Purpose`: everything, all but archives, or archives."""
    source: Mapped[str]
    """Its address, as STORAGE_URL says it."""
    target: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    switched_at: Mapped[datetime | None]
    """From when on the target is the store."""
    cancelled_at: Mapped[datetime | None]
    emptied_at: Mapped[datetime | None]
    """When the place that is no store any more, or became none, had nothing of it left."""

    @property
    def is_under_way(self) -> bool:
        return self.switched_at is None and self.cancelled_at is None

    @property
    def left(self) -> str:
        """The place that is no store once it is over: the source, or the target of one that was cancelled."""
        return self.source if self.switched_at is not None else self.target


class StoreCopy(Base):
    """An object that a move copied, or is copying, and one that it leaves where it lay: both go with what is left."""

    __tablename__ = "store_copies"

    move_id: Mapped[UUID] = mapped_column(ForeignKey("store_moves.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    file_id: Mapped[UUID | None]
    """NULL for what was set aside: no row names it."""
    size_bytes: Mapped[int]
    copied_at: Mapped[datetime | None]
    """When it was whole in the target; NULL is that it may lie there, whole or not."""
    deleted_at: Mapped[datetime | None]
    """When it was deleted from the target, for it had been deleted from the source."""
    last_error: Mapped[str | None]
    """Why it could not be copied."""
