"""How far records have been ended."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base


class RecordEnd(Base):
    """How far records of one kind have been ended; what is missing that is younger was never there."""

    __tablename__ = "record_ends"

    name: Mapped[str] = mapped_column(primary_key=True)
    ended_before: Mapped[datetime]
    """Records that were over earlier than that may be gone."""
    records: Mapped[int]
    """How many have ended in all."""
    ended_at: Mapped[datetime]
