"""How long the log is: events end by age, and where they are too many those of whoever has most of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.events.models import EVERYBODY, EventEnd, LoggedEvent
from media_analysis.failpoints import failpoint

BATCH: Final = 10_000
LOW_WATER: Final = 0.9
"""Down to which share of the most there may be events end once there are more, so that it is not done all the time."""
log = structlog.get_logger()

_NOTE: Final = """
    INSERT INTO event_ends AS known (owner, through) VALUES ({owner}, {through})
    ON CONFLICT (owner) DO UPDATE SET through = greatest(known.through, excluded.through)
"""
_LOCK: Final = text("SELECT through FROM event_ends WHERE owner = '' FOR UPDATE")
_BEGIN: Final = text(_NOTE.format(owner="''", through="0"))
_OVER: Final = text("""
    SELECT max(id) AS through FROM (
        SELECT id, at FROM events WHERE id > :through ORDER BY id LIMIT :limit
    ) AS oldest WHERE at < CAST(:before AS timestamptz)
""")
# What tells the story of a job stays for it, as long as it has a row.
_END: Final = text("DELETE FROM events WHERE id > :after AND id <= :through AND number IS NULL")
_NOTE_ALL: Final = text(_NOTE.format(owner="''", through=":through"))
_FORGET: Final = text("DELETE FROM event_ends WHERE owner <> '' AND through <= :through")
_RANGE: Final = text("""
    SELECT coalesce((SELECT through FROM event_ends WHERE owner = ''), 0) AS through, coalesce(max(id), 0) AS last
    FROM events
""")
_COUNT: Final = text("""
    SELECT events.owner, count(*) AS events FROM events LEFT JOIN event_ends AS ended ON ended.owner = events.owner
    WHERE id > :through AND id > coalesce(ended.through, 0) GROUP BY events.owner
""")
_CUT: Final = text("""
    SELECT id AS through FROM events
    WHERE owner = :owner AND id > :through ORDER BY id OFFSET :spare LIMIT 1
""")
_THROUGH: Final = text("""
    SELECT max(through) AS through FROM event_ends WHERE owner IN ('', :owner)
""")
_END_OWN: Final = text("""
    DELETE FROM events WHERE id = ANY(ARRAY(
        SELECT id FROM events WHERE owner = :owner AND id > :after AND id <= :through AND number IS NULL
        ORDER BY id LIMIT :limit
    ))
""")
_NOTE_OWN: Final = text(_NOTE.format(owner=":owner", through=":through"))


@dataclass(frozen=True)
class EventEndService:
    """Ends events of the log, oldest first; how far it is noted with them, so that readers know what they missed."""

    db: Database
    life: timedelta | None
    """How long events are kept; None is as long as there is room."""
    most: int
    """How many there may be."""
    _counted: dict[str, int] = field(default_factory=dict)

    async def end(self, *, now: datetime) -> int:
        """End what is older than its life; return how many that were."""
        if self.life is None:
            return 0
        total = 0
        while ended := await self._end_batch(now - self.life):
            total += ended[1]
        return total

    async def rehearse(self, *, now: datetime) -> int:
        """Return about how many events would end now; changes nothing."""
        if self.life is None:
            return 0
        count = text("SELECT count(*) FROM events WHERE number IS NULL AND at < :before")
        async with self.db.read_only() as session:
            ended: int = (await session.execute(count, {"before": now - self.life})).scalar_one()
        return ended

    async def find_oldest(self) -> datetime | None:
        """Return when the oldest event that is still told happened."""
        async with self.db.read_only() as session:
            ended = (await session.scalars(select(EventEnd.through).where(EventEnd.owner == EVERYBODY))).one_or_none()
            oldest = select(LoggedEvent.at).where(LoggedEvent.id > (ended or 0)).order_by(LoggedEvent.id).limit(1)
            return (await session.scalars(oldest)).one_or_none()

    async def end_surplus(self) -> int:
        """End the oldest events of whoever has most, where there are more than there may be; return how many."""
        async with self.db.read_only() as session:
            known = (await session.execute(_RANGE)).one()
        if self._at_most(known.last - known.through, known.last) <= self.most:
            return 0
        async with self.db.read_only() as session:
            counts = {row.owner: row.events for row in await session.execute(_COUNT, {"through": known.through})}
        self._counted.update(events=sum(counts.values()), at=known.last)
        if self._counted["events"] <= self.most:
            return 0
        level = level_of(list(counts.values()), int(self.most * LOW_WATER))
        ended = sum([await self._end_own(owner, events - level) for owner, events in counts.items() if events > level])
        self._counted.clear()
        log.warning("events.surplus_ended", events=ended, most=self.most)
        return ended

    def _at_most(self, ids: int, last: int) -> int:
        """Return how many there may be: as many as ids were given, or as were counted and came since."""
        if not self._counted:
            return ids
        return min(ids, self._counted["events"] + last - self._counted["at"])

    @retried
    async def _end_batch(self, before: datetime) -> tuple[int, int] | None:
        """End one batch; return up to where, and how many; None where nothing is over."""
        async with self.db.transaction() as session:
            await session.execute(_BEGIN)
            known: int = (await session.execute(_LOCK)).scalar_one()
            asked = {"through": known, "limit": BATCH, "before": before}
            through = (await session.execute(_OVER, asked)).scalar_one()
            if through is None:
                return None
            ended = await _count_ended(session, _END, {"after": known, "through": through})
            await session.execute(_NOTE_ALL, {"through": through})
            await session.execute(_FORGET, {"through": through})
            failpoint("records.ending_events")
        return through, ended

    async def _end_own(self, owner: str, surplus: int) -> int:
        async with self.db.read_only() as session:
            after: int = (await session.execute(_THROUGH, {"owner": owner})).scalar_one() or 0
            asked = {"owner": owner, "through": after, "spare": surplus - 1}
            through = (await session.execute(_CUT, asked)).scalar_one_or_none()
        total = 0
        if through is None:  # another process was faster
            return 0
        while ended := await self._end_own_batch({"owner": owner, "after": after, "through": through, "limit": BATCH}):
            total += ended
        return total

    @retried
    async def _end_own_batch(self, asked: Mapping[str, Any]) -> int:
        async with self.db.transaction() as session:
            await session.execute(_NOTE_OWN, {"owner": asked["owner"], "through": asked["through"]})
            return await _count_ended(session, _END_OWN, asked)


async def _count_ended(session: AsyncSession, statement: Any, asked: Mapping[str, Any]) -> int:
    ended: int = (await session.execute(statement, asked)).rowcount  # type: ignore[attr-defined]
    return ended


def level_of(counts: Sequence[int], most: int) -> int:
    """Return the highest number of events each owner may keep so that all together have at most `most`."""
    left, owners = most, len(counts)
    for count in sorted(counts):
        if count * owners > left:
            return left // owners
        left, owners = left - count, owners - 1
    return max(counts, default=0)
