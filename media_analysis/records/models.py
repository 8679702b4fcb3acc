"""How far records have been ended."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
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


_NOTE: Final = text("""
    INSERT INTO record_ends (name, ended_before, records, ended_at) VALUES (:name, :before, :records, :now)
    ON CONFLICT (name) DO UPDATE SET
        ended_before = greatest(record_ends.ended_before, excluded.ended_before),
        records = record_ends.records + excluded.records, ended_at = excluded.ended_at
""")


async def note_end(session: AsyncSession, name: str, *, before: datetime, records: int, now: datetime) -> None:
    """Note that so many more records of a kind have ended, of those that were over `before` then."""
    await session.execute(_NOTE, {"name": name, "before": before, "records": records, "now": now})
