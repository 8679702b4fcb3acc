"""How full categories and the disk are, and what has to go until they are full no more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.deletion.selection import Amount
from media_analysis.files.models import CategoryUsage
from media_analysis.policy.decision import CategoryRules
from media_analysis.retention.pressure.outcome import NOTHING, PressureScope
from media_analysis.settings.storage import StorageSettings
from media_analysis.storage.category import Category
from media_analysis.storage.store import Capacity, ObjectStore


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskMarks:
    """From when on the disk is under pressure, and down to what that evicts."""

    reserve_bytes: int
    high_percent: int
    low_percent: int

    @classmethod
    def of(cls, storage: StorageSettings) -> Self:
        """Return what the settings say."""
        return cls(
            reserve_bytes=storage.monitoring.reserve_bytes,
            high_percent=storage.disk.high_water_percent,
            low_percent=storage.disk.low_percent,
        )


@dataclass(frozen=True, slots=True)
class CategoryLevel:
    """One category's bytes, stored, in the trash and reserved, against its marks."""

    category: Category
    rules: CategoryRules
    used_bytes: int

    @property
    def under_pressure(self) -> bool:
        high_bytes = self.rules.high_water_bytes
        return high_bytes is not None and self.used_bytes > high_bytes

    @property
    def low_water_bytes(self) -> int:
        """Down to which evictions go; without a mark, not below what is used."""
        marks = (self.rules.low_water_bytes, self.rules.high_water_bytes, self.used_bytes)
        return next(mark for mark in marks if mark is not None)

    @property
    def wanted_bytes(self) -> int:
        return max(0, self.used_bytes - self.low_water_bytes) if self.under_pressure else 0

    def missing_bytes(self, needed_bytes: int) -> int:
        """Return by how much so many bytes more would pass the quota; nothing where there is none."""
        quota_bytes = self.rules.quota_bytes
        return 0 if quota_bytes is None else max(0, self.used_bytes + needed_bytes - quota_bytes)

    def beyond_bytes(self, stored_bytes: int) -> int:
        """Return what goes once an upload of so many bytes had to have room made, lest every upload evicts."""
        if self.rules.eviction_priority is None:
            return 0
        return max(0, self.used_bytes - stored_bytes - self.low_water_bytes)


@dataclass(frozen=True, slots=True)
class DiskLevel:
    """The disk against its marks."""

    capacity: Capacity
    marks: DiskMarks

    @property
    def used_percent(self) -> float:
        total_bytes, free_bytes = self.capacity.total_bytes, self.capacity.free_bytes
        return 100 * (total_bytes - free_bytes) / total_bytes if total_bytes else 0.0

    @property
    def under_pressure(self) -> bool:
        return self.used_percent >= self.marks.high_percent or self.capacity.free_bytes < self.marks.reserve_bytes

    @property
    def target_free_bytes(self) -> int:
        """How much is free at the low-water mark, and never less than the reserve."""
        low_free_bytes = self.capacity.total_bytes * (100 - self.marks.low_percent) // 100
        return max(low_free_bytes, self.marks.reserve_bytes)

    @property
    def wanted_bytes(self) -> int:
        return max(0, self.target_free_bytes - self.capacity.free_bytes) if self.under_pressure else 0


class Goal(Protocol):
    """Where a relief wants to arrive."""

    @property
    def scope(self) -> PressureScope: ...
    @property
    def categories(self) -> Sequence[Category]:
        """Whose files may go for it."""
        ...

    @property
    def wants_bytes_gone(self) -> bool:
        """Whether a deleted file whose bytes stay for now helps nothing."""
        ...

    async def missing(self, session: AsyncSession) -> int:
        """Return how many bytes still have to go, what others deleted a moment ago taken into account."""
        ...


@dataclass(frozen=True, slots=True)
class CategoryGoal:
    """A category that uses no more than so much; the ledger says, and gives back what was deleted at once."""

    category: Category
    target_used_bytes: int

    @property
    def scope(self) -> PressureScope:
        return PressureScope(self.category)

    @property
    def categories(self) -> Sequence[Category]:
        return (self.category,)

    @property
    def wants_bytes_gone(self) -> bool:
        return False

    async def missing(self, session: AsyncSession) -> int:
        return await get_used_bytes(session, self.category) - self.target_used_bytes


@dataclass(frozen=True, slots=True)
class DiskGoal:
    """A disk with so much free."""

    store: ObjectStore
    target_free_bytes: int
    key: str = ""
    """Of an object on it; the store's own disk without one."""

    @property
    def scope(self) -> PressureScope:
        return PressureScope(None)

    @property
    def categories(self) -> Sequence[Category]:
        return self.store.categories_beside(self.key)

    @property
    def wants_bytes_gone(self) -> bool:
        return True

    async def missing(self, session: AsyncSession) -> int:
        # First what is about to go, then what is free: bytes that go in between count twice, never not at all, and
        # one look at the file system holds a transaction no longer than a statement does.
        of_disk = {"categories": [category.value for category in self.categories]}
        leaving_bytes: int = (await session.execute(_SUM_LEAVING, of_disk)).scalar_one()
        return self.target_free_bytes - leaving_bytes - (await self.store.capacity(self.key)).free_bytes


# Deleted this very moment by some process: its claim is in its first lease, and nothing went wrong yet.
_SUM_LEAVING = text("""
    SELECT coalesce(sum(stone.size_bytes), 0)::bigint
    FROM purges JOIN tombstones AS stone ON stone.id = ANY(purges.tombstone_ids)
    WHERE purges.due_at > now() AND purges.attempts > 0 AND purges.last_error IS NULL AND NOT purges.again
        AND stone.category = ANY(CAST(:categories AS category[]))
""")

_SUM_HELD = text("""
    SELECT category, sum(files - trashed_files)::bigint, sum(size_bytes - trashed_bytes)::bigint,
        sum(trashed_files)::bigint, sum(trashed_bytes)::bigint
    FROM ledger WHERE category = ANY(CAST(:categories AS category[])) GROUP BY category
""").columns(category=CATEGORY)


async def get_used_bytes(session: AsyncSession, category: Category) -> int:
    """Return what a category's quota is measured against."""
    query = select(CategoryUsage.size_bytes).where(CategoryUsage.category == category)
    return (await session.scalars(query)).one()


async def list_used_bytes(session: AsyncSession) -> Mapping[Category, int]:
    """Return the same for every category."""
    return {usage.category: usage.size_bytes for usage in await session.scalars(select(CategoryUsage))}


@dataclass(frozen=True, slots=True)
class Content:
    """What lies in one category."""

    stored: Amount = NOTHING
    trash: Amount = NOTHING


async def sum_content(session: AsyncSession, categories: Sequence[Category]) -> Mapping[Category, Content]:
    """Return what the ledger says lies in each of these categories."""
    rows = await session.execute(_SUM_HELD, {"categories": [category.value for category in categories]})
    found = {category: Content(Amount(*sums[:2]), Amount(*sums[2:])) for category, *sums in rows}
    return {category: found.get(category, Content()) for category in categories}
