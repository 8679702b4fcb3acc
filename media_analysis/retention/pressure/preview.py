"""How pressure stands, and who would go next."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.pressure.eviction import EvictionCandidate, Stage
from media_analysis.retention.pressure.foresight import Eviction, count_barred, foresee, list_paused
from media_analysis.retention.pressure.levels import CategoryLevel, DiskLevel, get_used_bytes, list_used_bytes
from media_analysis.retention.pressure.outcome import Blocked
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category
from media_analysis.units import format_instant


@dataclass(frozen=True, slots=True)
class Next:
    """One who goes."""

    rank: int
    category: Category
    candidate: EvictionCandidate
    rule: RetentionRule
    why: str


@dataclass(frozen=True, slots=True)
class PressurePreview:
    """All levels, whose turn it is, and what would be passed over on the way there."""

    categories: Sequence[CategoryLevel]
    disk: DiskLevel
    next: Sequence[Next]
    blocked: Blocked


async def get_level(session: AsyncSession, category: Category) -> CategoryLevel:
    """Return how full one category is."""
    policy = await require_policy(session)
    return CategoryLevel(category, policy.of(category), await get_used_bytes(session, category))


async def list_levels(session: AsyncSession, policy: Policy) -> Sequence[CategoryLevel]:
    """Return how full every category is."""
    used_bytes = await list_used_bytes(session)
    return [CategoryLevel(category, policy.of(category), used_bytes[category]) for category in Category]


async def preview(
    session: AsyncSession, disk: DiskLevel, categories: Sequence[Category], *, limit: int, now: datetime
) -> PressurePreview:
    """Return the levels and the next files of these categories that would go; nothing is decided by it."""
    policy, blocked = await require_policy(session), Blocked()
    following: list[Next] = []
    async with aclosing(foresee(session, categories, policy, now=now, blocked=blocked)) as evictions:
        async for eviction in evictions:
            following.append(_next(eviction, len(following) + 1, policy))
            if len(following) >= limit:
                break
    paused = await list_paused(session, categories)
    await count_barred(session, categories, policy, paused=paused, blocked=blocked)
    return PressurePreview(await list_levels(session, policy), disk, following, blocked)


def _next(eviction: Eviction, rank: int, policy: Policy) -> Next:
    category = eviction.source.category
    why = _why(eviction, policy.of(category))
    return Next(rank, category, eviction.candidate, eviction.rule, why)


def _why(eviction: Eviction, rules: CategoryRules) -> str:
    candidate, (category, stage) = eviction.candidate, eviction.source
    match stage:
        case Stage.TRASH:
            since = candidate.trashed_at or candidate.created_at
            return f"in the trash since {format_instant(since)}, and trash goes first"
        case Stage.OLDEST if eviction.rule is not RetentionRule.PRESSURE:
            return "expired already, and the sweep has not come by yet"
        case Stage.OLDEST if eviction.beyond_share:
            return f"its owner has most of {category.value}, and more than their share"
        case Stage.OLDEST:
            return f"the oldest left of {category.value}, which have eviction priority {rules.eviction_priority}"
    assert_never(stage)
