"""Which database this is, so that a store can tell its own from any other."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, false, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base


class Instance(Base):
    """The single row that names this database; the store's marker repeats its id."""

    __tablename__ = "instance"
    __table_args__ = (CheckConstraint("singleton", name="single_row"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    clock_seen_at: Mapped[datetime | None]
    """The latest instant of the database's clock that anybody noted; a sweep far from it distrusts the clock."""
    settings_version: Mapped[str | None]
    """The policy that the configuration described when a process last started with a new one."""
    disk_high_percent: Mapped[int | None]
    disk_low_percent: Mapped[int | None]
    disk_reserve_bytes: Mapped[int | None]
    """The disk's marks as whoever served last had them."""
    archives_apart: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether archives lie on a disk of their own, as whoever opened the store last found them."""


# Whoever has the row locked writes it just now; that it could be locked at all is what a read-only server refuses.
_TOUCH: Final = text("""
    WITH locked AS (SELECT singleton FROM instance FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE instance SET singleton = true WHERE singleton IN (SELECT singleton FROM locked)
""")


async def ensure_instance(session: AsyncSession, candidate: UUID) -> UUID:
    """Return this database's id, making `candidate` it if there was none."""
    await session.execute(insert(Instance).values(singleton=True, id=candidate).on_conflict_do_nothing())
    return (await session.execute(select(Instance.id))).scalar_one()


async def find_instance(session: AsyncSession) -> UUID | None:
    """Return this database's id, None if no service was started on it yet."""
    return (await session.execute(select(Instance.id))).scalar_one_or_none()


async def touch(session: AsyncSession) -> None:
    """Write the row and change nothing of it, so that it is known whether the database takes changes."""
    await session.execute(_TOUCH)


async def note_clock(session: AsyncSession, now: datetime) -> None:
    """Remember the latest instant that the clock told."""
    await session.execute(update(Instance).values(clock_seen_at=func.greatest(Instance.clock_seen_at, now)))


async def trust_clock(session: AsyncSession) -> None:
    """Remember the clock as it is, whichever way it jumped."""
    await session.execute(update(Instance).values(clock_seen_at=func.clock_timestamp()))


async def mark_archives_apart(session: AsyncSession, *, apart: bool) -> None:
    """Remember whether archives lie on a disk of their own."""
    await session.execute(update(Instance).values(archives_apart=apart))
