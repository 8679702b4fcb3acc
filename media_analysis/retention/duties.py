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
class DutyTurn:
    """A duty that this process now has, and the slot whose work it does."""

    name: str
    slot: datetime
    attempt: int
    """From 1; a later one is for a slot that was begun before."""


LATE: Final = timedelta(hours=1)
"""From when on somebody should look why a duty is not done."""
UNWANTED: Final = LATE / 2
"""How long a duty is due and nobody begins it until no process can be planning it: those that do look every minute."""


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How one duty goes."""

    name: str
    succeeded_at: datetime | None
    late_seconds: float
    """Since when its work should have been done; 0 where it is, or somebody does it."""
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
# Sweeps follow the policy at once. Of others a process with other settings may think: it would have begun by now.
_DELETE_UNPLANNED = text("""
    DELETE FROM duties WHERE NOT name = ANY(CAST(:planned AS text[]))
        AND (starts_with(name, CAST(:prefix AS text))
            OR greatest(due_at, retry_at, claimed_until) < now() - CAST(:unwanted AS interval))
""")
_MISSED = text("""
    SELECT min(due_at) FROM duties WHERE due_at <= now()
        AND NOT name = ANY(CAST(:planned AS text[])) AND starts_with(name, CAST(:prefix AS text))
""")
_DUE = text("""
    SELECT name FROM duties
    WHERE due_at <= :soon AND coalesce(claimed_until <= :now, true) AND coalesce(retry_at <= :now, true) ORDER BY due_at
""")
_CLAIM = text("""
    UPDATE duties SET claimed_until = CAST(:now AS timestamptz) + :lease, claimed_by = :by, attempts = attempts + 1
    WHERE name = :name AND due_at <= :soon
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
        """Return the first slot left undone of duties that `delete_unplanned` would delete for their `prefix`."""
        async with self.db.read_only() as session:
            missed: datetime | None = await session.scalar(_MISSED, {"planned": list(planned), "prefix": prefix})
        return missed

    async def delete_unplanned(self, *, planned: Sequence[str], prefix: str | None = None) -> None:
        """Delete duties that nobody plans any more: those called after `prefix`, and what is due and left alone."""
        asked = {"planned": list(planned), "prefix": prefix, "unwanted": UNWANTED}
        async with self.db.transaction() as session:
            await session.execute(_DELETE_UNPLANNED, asked)

    async def list_due(self, *, now: datetime | None = None) -> Sequence[str]:
        """Return what somebody should begin now, the longest due first."""
        moment = now or await self.db.now()
        async with self.db.read_only() as session:
            return (await session.scalars(_DUE, {"now": moment, "soon": moment + EARLY})).all()

    async def claim(self, name: str, *, now: datetime | None = None) -> DutyTurn | None:
        """Take a duty that is due; None if it is not, any more, or somebody else has it."""
        moment = now or await self.db.now()
        async with self.db.transaction() as session:
            asked = {"name": name, "now": moment, "soon": moment + EARLY, "lease": LEASE, "by": self.by}
            row = (await session.execute(_CLAIM, asked)).one_or_none()
        return None if row is None else DutyTurn(name, row.due_at, row.attempts)

    @asynccontextmanager
    async def holding(self, turn: DutyTurn) -> AsyncIterator[None]:
        """Keep a duty from the others for as long as the block runs and this process lives."""
        renewing = asyncio.create_task(self._renew(turn))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def end(self, turn: DutyTurn, *, next_slot: datetime | None, now: datetime | None = None) -> None:
        """Write down that a slot's work is done; slots missed meanwhile are done with it."""
        async with self.db.transaction() as session:
            await session.execute(_DONE, {"name": turn.name, "by": self.by, "next": next_slot, "now": now})

    async def leave(self, turn: DutyTurn, *, error: str | None, now: datetime | None = None) -> None:
        """Give a duty back undone, to be tried again after a while by whoever comes first."""
        pause = min(FIRST_PAUSE * 2 ** min(turn.attempt - 1, 10), LONGEST_PAUSE)
        await self._leave(turn.name, pause, error, now)

    async def hand_back(self, name: str) -> None:
        """Give a duty back undone because this process ends, if it has it; another one may begin at once."""
        await self._leave(name, timedelta(), None, None)

    async def list(self, *, now: datetime | None = None) -> Sequence[Punctuality]:
        """Return how every duty goes."""
        moment = now or await self.db.now()
        async with self.db.read_only() as session:
            rows = (await session.scalars(select(Duty).order_by(Duty.name))).all()
        return [Punctuality(duty.name, duty.succeeded_at, _late_seconds(duty, moment), duty.error) for duty in rows]

    async def _leave(self, name: str, pause: timedelta, error: str | None, now: datetime | None) -> None:
        asked = {"name": name, "by": self.by, "pause": pause, "error": error, "now": now}
        async with self.db.transaction() as session:
            await session.execute(_LEFT, asked)

    async def _renew(self, turn: DutyTurn) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with suppress(Exception):  # another try comes before the lease ends
                async with self.db.transaction() as session:
                    await session.execute(_RENEW, {"name": turn.name, "by": self.by, "lease": LEASE})


def _late_seconds(duty: Duty, now: datetime) -> float:
    if duty.due_at is None:
        return 0.0
    # While somebody works at it, or waits for the end of a pause, nobody is late; after a failure it is.
    begun = () if duty.error is not None else (duty.claimed_until, duty.retry_at)
    since = max([duty.due_at, *(moment for moment in begun if moment is not None)])
    return max(0.0, (now - since).total_seconds())
