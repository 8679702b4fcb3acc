"""What an upload lacks of a quota, and what would go for it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import OwnerQuotaReached, QuotaReached
from media_analysis.files import ledger
from media_analysis.files.ledger import Account
from media_analysis.policy.decision import Policy
from media_analysis.retention.pressure.fairness import Wish
from media_analysis.retention.pressure.foresight import NONE, Freeing, find_freeing
from media_analysis.retention.pressure.levels import CategoryLevel, get_used_bytes


@dataclass(frozen=True, slots=True)
class Shortage:
    """What is missing for a wish: of the category's quota, and of its owner's."""

    level: CategoryLevel
    wish: Wish
    owned_bytes: int

    @property
    def of_category(self) -> int:
        return self.level.missing_bytes(self.wish.size_bytes)

    @property
    def of_owner(self) -> int:
        quota_bytes = self.level.rules.owner_quota_bytes
        return 0 if quota_bytes is None else max(0, self.owned_bytes + self.wish.size_bytes - quota_bytes)

    @property
    def exists(self) -> bool:
        return self.of_category > 0 or self.of_owner > 0

    @property
    def is_for_ever(self) -> bool:
        """Whether it would not fit either if nothing else was there."""
        quotas = (self.level.rules.quota_bytes, self.level.rules.owner_quota_bytes)
        return any(quota_bytes is not None and self.wish.size_bytes > quota_bytes for quota_bytes in quotas)

    def refusal(
        self,
        space_frees_at: datetime | None = None,
        own_space_frees_at: datetime | None = None,
        *,
        paused: str | None = None,
    ) -> QuotaReached:
        """Return why the wish is not granted."""
        rules, of_owner = self.level.rules, self.of_owner > 0
        kind = OwnerQuotaReached if of_owner else QuotaReached
        return kind(
            self.level.category.value,
            quota_bytes=(rules.owner_quota_bytes if of_owner else rules.quota_bytes) or 0,
            used_bytes=self.owned_bytes if of_owner else self.level.used_bytes,
            owned_bytes=self.owned_bytes,
            needed_bytes=self.wish.size_bytes,
            missing_bytes=self.of_owner if of_owner else self.of_category,
            space_frees_at=own_space_frees_at if of_owner else space_frees_at,
            own_space_frees_at=own_space_frees_at,
            paused=paused,
        )


async def find_shortage(session: AsyncSession, policy: Policy, wish: Wish) -> Shortage:
    """Return what is missing for a wish as things are."""
    owner, category = wish.account
    level = CategoryLevel(category, policy.of(category), await get_used_bytes(session, category))
    return Shortage(level, wish, await ledger.get_held_bytes(session, Account(owner, category)))


async def find_needed(session: AsyncSession, policy: Policy, shortage: Shortage, *, now: datetime) -> Freeing | None:
    """Return what would go for what is missing, counted twice where two quotas miss it; None if it is out of reach."""
    if shortage.is_for_ever:
        return None
    category, wish = shortage.level.category, shortage.wish
    needed = NONE
    for size_bytes, only_owner in ((shortage.of_owner, True), (shortage.of_category, False)):
        if size_bytes > 0:
            found = await find_freeing(
                session, (category,), policy, size_bytes, now=now, wish=wish, only_owner=only_owner
            )
            if found is None:
                return None
            needed = needed.plus(found)
    return needed
