"""What jobs that nobody asked for have to wait for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.analysis.kinds import Kind
from media_analysis.jobs.automatic.models import AnalysisReason
from media_analysis.jobs.waiting import count_open, count_waiting
from media_analysis.storage.category import Category

MOST_OF_OWNER: Final = 100
"""Jobs of one owner that wait; those they ask for themselves have the rest of what may."""
MOST_OF_ALL: Final = 1_000
"""Jobs that wait, whosever they are: more would keep nobody busier."""
FULL: Final = 0.95
"""Of a quota or a high-water mark: what nobody asked for lets nothing be evicted, and leaves room for what is."""

_FULL: Final = text("""
    WITH marks AS (
        SELECT policy.category, least(policy.quota_bytes, policy.high_water_bytes) * CAST(:share AS float8) AS most,
            policy.owner_quota_bytes * CAST(:share AS float8) AS most_of_owner, usage.size_bytes
        FROM category_policies AS policy JOIN category_usage AS usage USING (category)
    )
    SELECT category::text AS category, NULL AS owner FROM marks WHERE size_bytes >= most
    UNION ALL
    SELECT marks.category::text, entry.owner FROM marks JOIN ledger AS entry USING (category)
    WHERE entry.owner = ANY(CAST(:owners AS text[])) AND entry.size_bytes + entry.reserved_bytes >= most_of_owner
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """How busy and how full it is."""

    waiting: Mapping[str, int]
    """Jobs that wait, by owner."""
    pending: int
    """All of them."""
    full: Collection[tuple[Category, str | None]]
    """Categories without room, for an owner or, with None, for everybody."""
    disk_full: bool
    most_of_owner: int = MOST_OF_OWNER

    def reason_to_wait(self, owner: str, kind: Kind, *, begun: Collection[str]) -> AnalysisReason | None:
        """Return why a job of an owner has to wait beside those that were just begun, by their owners; None to go."""
        if self.waiting.get(owner, 0) + sum(each == owner for each in begun) >= self.most_of_owner:
            return AnalysisReason.QUEUE_FULL
        if self.pending + len(begun) >= MOST_OF_ALL:
            return AnalysisReason.SERVICE_BUSY
        if any((category, whose) in self.full for category in kind.makes for whose in (None, owner)):
            return AnalysisReason.NO_ROOM
        return AnalysisReason.DISK_FULL if self.disk_full and kind.makes else None


async def read_load(session: AsyncSession, owners: Collection[str], *, disk_full: bool, most_of_owner: int) -> Load:
    """Return what holds now for some owners."""
    waiting = await count_waiting(session, owners)
    pending = (await count_open(session))["pending"]
    rows: Any = await session.execute(_FULL, {"share": FULL, "owners": sorted(owners)})
    full = frozenset((Category(row.category), row.owner) for row in rows)
    return Load(waiting=waiting, pending=pending, full=full, disk_full=disk_full, most_of_owner=most_of_owner)
