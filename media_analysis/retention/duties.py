"""Scheduled duties: each slot's work is done once, by whoever lives, and late if need be (promise 46)."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base
from media_analysis.db.database import Database

LEASE: Final = timedelta(minutes=1)
"""How long a process that was killed keeps a duty from the others."""
EARLY: Final = timedelta(seconds=30)
"""By how much the clock of a process that looks may be ahead of the database's."""
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(minutes=15)
"""Between two attempts at a slot whose work fails, or may not be done yet."""


class Duty(Base):
    """Something done by a schedule: when its next slot comes, who works at it, and how it went last."""

    __tablename__ = "duties"

    name: Mapped[str] = mapped_column(primary_key=True)
    cron: Mapped[str]
    due_at: Mapped[datetime | None]
    """The slot whose work is to be done next; it stays in the past until that is done. None is never again."""
    claimed_until: Mapped[datetime | None]
    claimed_by: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """At the slot that is due."""
    retry_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    error: Mapped[str | None]
    """Why the last attempt did not do it; None once one has."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A duty that this process now has, and the slot whose work it does."""

    name: str
    slot: datetime
    attempt: int
    """From 1; a later one is for a slot that was begun before."""


LATE: Final = timedelta(hours=1)
"""From when on somebody should look why a duty is not done."""


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How one duty goes."""

    name: str
    succeeded_at: datetime | None
    late_seconds: float
    """Since when its work should have been done; 0 where it is."""
    error: str | None

    @property
    def is_late(self) -> bool:
        return self.late_seconds > LATE.total_seconds()


# What was missed stays due, whatever the schedule says now; a new one counts from now on.
_MEET = text("""
    INSERT INTO duties (name, cron, due_at, attempts)
    SELECT name, cron, due_at, 0
    FROM unnest(CAST(:names AS text[]), CAST(:crons AS text[]), CAST(:slots AS timestamptz[]))
        AS met(name, cron, due_at) ORDER BY name
    ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, due_at = CASE
        WHEN duties.cron = excluded.cron OR duties.due_at <= now() THEN duties.due_at ELSE excluded.due_at END
    WHERE duties.cron <> excluded.cron
""")
# One that no process plans is nobody's any more: sweeps follow the policy at once, others after a while.
_FORGET = text("""
    DELETE FROM duties WHERE NOT name = ANY(CAST(:planned AS text[]))
        AND (starts_with(name, CAST(:prefix AS text)) OR due_at < now() - interval '2 days')
""")
_MISSED = text("""
    SELECT min(due_at) FROM duties WHERE due_at <= now()
        AND NOT name = ANY(CAST(:planned AS text[])) AND starts_with(name, CAST(:prefix AS text))
""")
_DUE = text("""
    SELECT name FROM duties
    WHERE due_at <= :now AND coalesce(claimed_until <= :now, true) AND coalesce(retry_at <= :now, true) ORDER BY due_at
""")
_CLAIM = text("""
    UPDATE duties SET claimed_until = CAST(:now AS timestamptz) + :lease, claimed_by = :by, attempts = attempts + 1
    WHERE name = :name AND due_at <= :now
        AND coalesce(claimed_until <= :now, true) AND coalesce(retry_at <= :now, true)
    RETURNING due_at, attempts
""")
_RENEW = text("UPDATE duties SET claimed_until = now() + :lease WHERE name = :name AND claimed_by = :by")
_DONE = text("""
    UPDATE duties SET due_at = :next, claimed_until = NULL, claimed_by = NULL, attempts = 0, retry_at = NULL,
        succeeded_at = coalesce(CAST(:now AS timestamptz), now()), error = NULL
    WHERE name = :name AND claimed_by = :by
""")
_LEFT = text("""
    UPDATE duties SET claimed_until = NULL, claimed_by = NULL,
        retry_at = coalesce(CAST(:now AS timestamptz), now()) + :pause,
        failed_at = CASE WHEN CAST(:error AS text) IS NULL THEN failed_at
            ELSE coalesce(CAST(:now AS timestamptz), now()) END,
        error = :error
    WHERE name = :name AND claimed_by = :by
""")


@dataclass(frozen=True)
class DutyService:
    """Hands out what is due; `by` names who works here, and only who has a duty ends it."""

    db: Database
    by: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{uuid4()}")

    async def meet(self, duties: Mapping[str, tuple[str, datetime | None]]) -> None:
        """Make duties known by their schedules and next slots; one that is known keeps what it missed."""
        asked = {
            "names": list(duties),
            "crons": [cron for cron, _ in duties.values()],
            "slots": [slot for _, slot in duties.values()],
        }
        async with self.db.transaction() as session:
            await session.execute(_MEET, asked)

    async def find_missed(self, *, planned: Sequence[str], prefix: str) -> datetime | None:
        """Return the first slot whose work was not done of duties that `forget` would forget for their `prefix`."""
        async with self.db.read_only() as session:
            missed: datetime | None = await session.scalar(_MISSED, {"planned": list(planned), "prefix": prefix})
        return missed

    async def forget(self, *, planned: Sequence[str], prefix: str) -> None:
        """Forget duties that are not planned any more: those called after `prefix`, and what nobody does for days."""
        async with self.db.transaction() as session:
            await session.execute(_FORGET, {"planned": list(planned), "prefix": prefix})

    async def list_due(self, *, now: datetime | None = None) -> Sequence[str]:
        """Return what somebody should begin now, the longest due first."""
        moment = (now or await self.db.now()) + EARLY
        async with self.db.read_only() as session:
            return (await session.scalars(_DUE, {"now": moment})).all()

    async def claim(self, name: str, *, now: datetime | None = None) -> Turn | None:
        """Take a duty that is due; None if it is not, any more, or somebody else has it."""
        moment = (now or await self.db.now()) + EARLY
        async with self.db.transaction() as session:
            asked = {"name": name, "now": moment, "lease": LEASE, "by": self.by}
            row = (await session.execute(_CLAIM, asked)).one_or_none()
        return None if row is None else Turn(name, row.due_at, row.attempts)

    @asynccontextmanager
    async def holding(self, turn: Turn) -> AsyncIterator[None]:
        """Keep a duty from the others for as long as the block runs and this process lives."""
        renewing = asyncio.create_task(self._renew(turn))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def end(self, turn: Turn, *, next_slot: datetime | None, now: datetime | None = None) -> None:
        """Write down that a slot's work is done; slots missed meanwhile are done with it."""
        async with self.db.transaction() as session:
            await session.execute(_DONE, {"name": turn.name, "by": self.by, "next": next_slot, "now": now})

    async def leave(self, turn: Turn, *, error: str | None, now: datetime | None = None) -> None:
        """Give a duty back undone, to be tried again after a while by whoever comes first."""
        pause = min(FIRST_PAUSE * 2 ** min(turn.attempt - 1, 10), LONGEST_PAUSE)
        await self._leave(turn, pause, error, now)

    async def hand_back(self, turn: Turn) -> None:
        """Give a duty back undone because this process ends; another one may begin at once."""
        await self._leave(turn, timedelta(), None, None)

    async def list(self, *, now: datetime | None = None) -> Sequence[Punctuality]:
        """Return how every duty goes."""
        moment = now or await self.db.now()
        async with self.db.read_only() as session:
            rows = (await session.scalars(select(Duty).order_by(Duty.name))).all()
        return [Punctuality(duty.name, duty.succeeded_at, _late_seconds(duty, moment), duty.error) for duty in rows]

    async def _leave(self, turn: Turn, pause: timedelta, error: str | None, now: datetime | None) -> None:
        asked = {"name": turn.name, "by": self.by, "pause": pause, "error": error, "now": now}
        async with self.db.transaction() as session:
            await session.execute(_LEFT, asked)

    async def _renew(self, turn: Turn) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(Exception):  # another try comes before the lease ends
                async with self.db.transaction() as session:
                    await session.execute(_RENEW, {"name": turn.name, "by": self.by, "lease": LEASE})


def _late_seconds(duty: Duty, now: datetime) -> float:
    return 0.0 if duty.due_at is None else max(0.0, (now - duty.due_at).total_seconds())
