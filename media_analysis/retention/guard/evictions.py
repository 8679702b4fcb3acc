"""The breaker of evictions: pressure takes a share of a category within an hour, and then asks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.db.instance import Instance
from media_analysis.deletion.models import EVICTION_CAUSES, PauseCause
from media_analysis.deletion.pauses import Observe, PauseFinding, add_pause, find_pause, tell
from media_analysis.deletion.selection import Amount
from media_analysis.policy.decision import CategoryRules
from media_analysis.retention.guard.breaker import ALLOWANCE_PERCENT, ALLOWED_FOR
from media_analysis.storage.category import SCRATCH, Category

WITHIN: Final = timedelta(hours=1)
MIN_FILES: Final = 20
"""From how many evicted files on their share counts."""
MIN_QUOTA_PERCENT: Final = 1
"""From how much of the quota on the share of evicted bytes counts."""

# What was confirmed begins to count anew: whoever resumed knew of what had gone before.
EVICTED: Final = text("""
    WITH resumed AS (
        SELECT files, resumed_at FROM pauses
        WHERE (category = CAST(:category AS category) OR category IS NULL)
            AND cause = ANY(CAST(:causes AS pause_cause[])) AND resumed_at > :confirmed_since
        ORDER BY resumed_at DESC LIMIT 1
    ), clock AS (
        SELECT coalesce((SELECT resumed_at FROM resumed), '-infinity') AS resumed_at
    ), living AS (
        SELECT coalesce(sum(files - trashed_files), 0)::bigint AS files,
            coalesce(sum(size_bytes - trashed_bytes), 0)::bigint AS size_bytes
        FROM ledger WHERE category = CAST(:category AS category)
    ), evicted AS (
        SELECT count(*) FILTER (WHERE deleted_at > greatest(:since, resumed_at)) AS files,
            coalesce(sum(size_bytes) FILTER (WHERE deleted_at > greatest(:since, resumed_at)), 0)::bigint AS size_bytes,
            count(*) FILTER (WHERE deleted_at > resumed_at) AS confirmed_files
        FROM tombstones CROSS JOIN clock
        WHERE category = CAST(:category AS category) AND rule = 'pressure'
            AND deleted_at > CASE WHEN isfinite(resumed_at) THEN least(:since, resumed_at) ELSE :since END
    )
    SELECT evicted.files, evicted.size_bytes, living.files AS living_files, living.size_bytes AS living_bytes,
        coalesce((SELECT files FROM resumed), 0) AS confirmed, evicted.confirmed_files
    FROM evicted CROSS JOIN living
""")


@dataclass(slots=True)
class Allowance:
    """What may still be evicted of one category before somebody is asked."""

    files: int
    size_bytes: int
    confirmed_files: int
    """How many more, of any size, a confirmation covers."""

    def covers(self, wanted: Amount) -> bool:
        """Return whether so much more may go unasked."""
        within_share = wanted.files <= self.files and wanted.size_bytes <= self.size_bytes
        return wanted.files <= max(0, self.confirmed_files) or within_share

    def take(self, size_bytes: int) -> bool:
        """Return whether another file may go, and count it if it may."""
        if self.confirmed_files <= 0 and (self.files < 1 or self.size_bytes < size_bytes):
            return False
        self.files -= 1
        self.size_bytes -= size_bytes
        self.confirmed_files -= 1
        return True


@dataclass(frozen=True)
class EvictionBreaker:
    """Keeps pressure from emptying a category; scratch is there to be evicted."""

    db: Database
    share_percent: int | None
    observe: Observe

    async def read_allowance(
        self, session: AsyncSession, category: Category, rules: CategoryRules, *, now: datetime
    ) -> Allowance | None:
        """Return what may still go within this hour, None if anything may.

        Only in a transaction that waited for its turn to evict does it stay true until the commit.
        """
        if self.share_percent is None or category in SCRATCH:
            return None
        asked = {
            "category": category.value,
            "causes": [cause.value for cause in EVICTION_CAUSES],
            "since": now - WITHIN,
            "confirmed_since": now - ALLOWED_FOR,
        }
        row = (await session.execute(EVICTED, asked)).one()
        share_files = (row.files + row.living_files) * self.share_percent // 100
        share_bytes = (row.size_bytes + row.living_bytes) * self.share_percent // 100
        floor_bytes = (rules.quota_bytes or 0) * MIN_QUOTA_PERCENT // 100
        return Allowance(
            files=max(MIN_FILES - 1, share_files) - row.files,
            size_bytes=max(floor_bytes, share_bytes) - row.size_bytes,
            confirmed_files=row.confirmed * ALLOWANCE_PERCENT // 100 - row.confirmed_files,
        )

    async def trip(self, category: Category, wanted: Amount) -> str:
        """Stop further evictions from a category, of which pressure wants so much more; return why."""
        files, size_bytes = wanted
        reason = (
            f"pressure wants {files} more files, {size_bytes} bytes, of {category.value} evicted, "
            f"which with the last hour's is more than {self.share_percent} % of them"
        )
        return await self._pause(
            category, PauseFinding(cause=PauseCause.EVICTION, reason=reason, files=files, size_bytes=size_bytes)
        )

    @retried
    async def _pause(self, category: Category, finding: PauseFinding) -> str:
        async with self.db.transaction() as session:
            await session.execute(select(Instance.id).with_for_update())
            pause = await find_pause(session, category, evicting=True)
            if pause is not None:
                return pause.reason
            pause = await add_pause(session, category, finding, by="breaker")
        self.observe(pause.cause)
        tell(pause)
        return pause.reason
