"""Who would be evicted next, decided as eviction decides, in a transaction that cannot write."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.deletion.pauses import find_pause
from media_analysis.deletion.selection import Amount
from media_analysis.files.ledger import Account
from media_analysis.policy.decision import Delete, Policy, decide
from media_analysis.retention.pressure.eviction import CandidateQueue, EvictionCandidate, eviction_order
from media_analysis.retention.pressure.fairness import FairQueue, Wish, read_holdings
from media_analysis.retention.pressure.levels import sum_content
from media_analysis.retention.pressure.outcome import NOTHING, Blocked, ReliefBlocker, blocker_of
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category

MOST_ROWS: Final = 50_000
"""How many files are looked at before the rest counts as out of reach."""


class Eviction(NamedTuple):
    """A file that would go, and why."""

    source: CandidateQueue
    candidate: EvictionCandidate
    rule: RetentionRule
    beyond_share: bool
    """Whether it goes because its owner has more of the category than their share."""


async def foresee(
    session: AsyncSession,
    categories: Sequence[Category],
    policy: Policy,
    *,
    now: datetime,
    blocked: Blocked,
    wish: Wish | None = None,
    only_owner: bool = False,
    despite_pauses: bool = False,
) -> AsyncGenerator[Eviction]:
    """Yield who goes, first to last, for the sake of a wish or of nobody; what stays on the way is in `blocked`."""
    paused = () if despite_pauses else await list_paused(session, categories)
    holdings = await read_holdings(session, categories, wish)
    left = MOST_ROWS
    for source in eviction_order(policy, [category for category in categories if category not in paused]):
        rules = policy.of(source.category)
        queue = FairQueue(source, rules, wish, only_owner)
        queue.begin(holdings)
        async with aclosing(queue.turns(session, most=left, lock=False)) as turns:
            async for candidate, dates_yield, beyond_share in turns:
                decision = decide(candidate.file, rules, now, under_pressure=True, dates_yield=dates_yield)
                if isinstance(decision, Delete):
                    queue.took(candidate)
                    yield Eviction(source, candidate, decision.rule, beyond_share)
                else:
                    blocked.add(blocker_of(decision.rule), 1, candidate.file.size_bytes)
        left = queue.left
        if left <= 0:
            return


class Freeing(NamedTuple):
    """What would go to free some bytes: how many files in all, and what of it by pressure, rather than as trash."""

    files: int
    evicted: Amount

    def plus(self, other: "Freeing") -> "Freeing":
        """Return both together."""
        evicted = Amount(self.evicted.files + other.evicted.files, self.evicted.size_bytes + other.evicted.size_bytes)
        return Freeing(self.files + other.files, evicted)


NONE: Final = Freeing(0, NOTHING)


async def find_freeing(
    session: AsyncSession,
    categories: Sequence[Category],
    policy: Policy,
    enough_bytes: int,
    *,
    now: datetime,
    wish: Wish,
    only_owner: bool = False,
) -> Freeing | None:
    """Return what would go to free so many bytes for a wish; None if they could not be freed."""
    content = await sum_content(session, categories)
    most_bytes = sum(
        content[category].trash.size_bytes
        + (0 if policy.of(category).eviction_priority is None else content[category].stored.size_bytes)
        for category in categories
    )
    if most_bytes < enough_bytes:
        return None
    found_bytes, files, evicted = 0, 0, NOTHING
    foreseen = foresee(session, categories, policy, now=now, blocked=Blocked(), wish=wish, only_owner=only_owner)
    async with aclosing(foreseen) as evictions:
        async for eviction in evictions:
            size_bytes = eviction.candidate.file.size_bytes
            found_bytes, files = found_bytes + size_bytes, files + 1
            if eviction.rule is RetentionRule.PRESSURE:
                evicted = Amount(evicted.files + 1, evicted.size_bytes + size_bytes)
            if found_bytes >= enough_bytes:
                return Freeing(files, evicted)
    return None


@dataclass
class Foreseen:
    """What pressure would take before its time, by whose and of which category it is, and what is held on the way."""

    losses: dict[Account, Amount] = field(default_factory=dict)
    blocked: Blocked = field(default_factory=Blocked)

    def add(self, account: Account, size_bytes: int) -> None:
        files, known_bytes = self.losses.get(account, NOTHING)
        self.losses[account] = Amount(files + 1, known_bytes + size_bytes)

    def of(self, category: Category) -> Amount:
        amounts = [amount for account, amount in self.losses.items() if account.category is category]
        return Amount(sum(amount.files for amount in amounts), sum(amount.size_bytes for amount in amounts))


async def foresee_relief(
    session: AsyncSession,
    categories: Sequence[Category],
    policy: Policy,
    wanted_bytes: int,
    *,
    now: datetime,
    wish: Wish | None = None,
    only_owner: bool = False,
    despite_pauses: bool = False,
) -> Foreseen:
    """Return what would be evicted to free so many bytes, as far as `foresee` looks."""
    found = Foreseen()
    evictions = foresee(
        session,
        categories,
        policy,
        now=now,
        blocked=found.blocked,
        wish=wish,
        only_owner=only_owner,
        despite_pauses=despite_pauses,
    )
    async with aclosing(evictions):
        async for eviction in evictions:
            if wanted_bytes <= 0:
                break
            size_bytes = eviction.candidate.file.size_bytes
            wanted_bytes -= size_bytes
            if eviction.rule is RetentionRule.PRESSURE:
                found.add(Account(eviction.candidate.owner, eviction.source.category), size_bytes)
    return found


async def list_paused(session: AsyncSession, categories: Sequence[Category]) -> frozenset[Category]:
    """Return the categories from which nothing may be evicted now."""
    return frozenset(
        [category for category in categories if await find_pause(session, category, evicting=True) is not None]
    )


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
            blocked.add(ReliefBlocker.PAUSED, *content.stored)
            blocked.add(ReliefBlocker.PAUSED, *content.trash)
        elif policy.of(category).eviction_priority is None:
            blocked.add(ReliefBlocker.NOT_EVICTABLE, *content.stored)
