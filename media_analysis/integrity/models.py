"""What the scrub remembers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base


class ScrubRound(Base):
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
