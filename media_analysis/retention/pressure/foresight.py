"""Who would be evicted next, decided as eviction decides, in a transaction that cannot write."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.models import RetentionRule
from media_analysis.retention.guard.pauses import find_pause
from media_analysis.retention.policy import Delete, Policy, decide
from media_analysis.retention.pressure.eviction import FIRST, Candidate, Source, eviction_order, list_candidates
from media_analysis.retention.pressure.levels import sum_content
from media_analysis.retention.pressure.outcome import Blocked, Blocker, blocker_of
from media_analysis.storage.category import Category

PAGE: Final = 1_000
MOST_ROWS: Final = 50_000
"""How many files are looked at before the rest counts as out of reach."""


class Eviction(NamedTuple):
    """A file that would go, and why."""

    source: Source
    candidate: Candidate
    rule: RetentionRule


async def foresee(
    session: AsyncSession, categories: Sequence[Category], policy: Policy, *, now: datetime, blocked: Blocked
) -> AsyncGenerator[Eviction]:
    """Yield who goes, first to last; what is passed over on the way is counted in `blocked`."""
    paused = await list_paused(session, categories)
    left = MOST_ROWS
    for source in eviction_order(policy, [category for category in categories if category not in paused]):
        after = FIRST
        while left > 0 and (page := await list_candidates(session, source, after=after, limit=min(PAGE, left))):
            for candidate in page:
                decision = decide(candidate.file, policy.of(source.category), now, under_pressure=True)
                if isinstance(decision, Delete):
                    yield Eviction(source, candidate, decision.rule)
                else:
                    blocked.add(blocker_of(decision.rule), 1, candidate.file.size_bytes)
            after, left = page[-1].place, left - len(page)


async def could_free(
    session: AsyncSession, categories: Sequence[Category], policy: Policy, enough_bytes: int, *, now: datetime
) -> bool:
    """Say whether so many bytes could be evicted."""
    content = await sum_content(session, categories)
    most_bytes = sum(
        content[category].trash.size_bytes
        + (0 if policy.of(category).eviction_priority is None else content[category].stored.size_bytes)
        for category in categories
    )
    if most_bytes < enough_bytes:
        return False
    found_bytes = 0
    async with aclosing(foresee(session, categories, policy, now=now, blocked=Blocked())) as evictions:
        async for eviction in evictions:
            found_bytes += eviction.candidate.file.size_bytes
            if found_bytes >= enough_bytes:
                return True
    return False


async def list_paused(session: AsyncSession, categories: Sequence[Category]) -> frozenset[Category]:
    """Return the categories in which nothing may be deleted now."""
    return frozenset([category for category in categories if await find_pause(session, category) is not None])


async def count_barred(
    session: AsyncSession,
    categories: Sequence[Category],
    policy: Policy,
    *,
    paused: Collection[Category],
    blocked: Blocked,
) -> None:
    """Count what eviction does not even look at: what is paused, or stored without an eviction priority."""
    for category, content in (await sum_content(session, categories)).items():
        if category in paused:
            blocked.add(Blocker.PAUSED, *content.stored)
            blocked.add(Blocker.PAUSED, *content.trash)
        elif policy.of(category).eviction_priority is None:
            blocked.add(Blocker.NOT_EVICTABLE, *content.stored)
