"""Room in a quota: made in the transaction that stores an upload, for whole bytes, all of it or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.errors import OwnerQuotaReached, QuotaPassed, QuotaReached
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.ledger import Account
from media_analysis.files.room import Closing
from media_analysis.files.settlement import Moved, require_fitting
from media_analysis.retention.burial import Claim, Order
from media_analysis.retention.guard.evictions import Allowance, EvictionBreaker
from media_analysis.retention.guard.pauses import find_pause
from media_analysis.retention.policies import require_policy
from media_analysis.retention.policy import Policy
from media_analysis.retention.pressure.eviction import eviction_order, find_space_freed, take_turn
from media_analysis.retention.pressure.fairness import FairQueue, Holdings, Wish, read_holdings
from media_analysis.retention.pressure.foresight import could_free, foresee_relief
from media_analysis.retention.pressure.levels import CategoryLevel, get_used_bytes
from media_analysis.retention.pressure.outcome import Blocked, Outcome, Scope
from media_analysis.retention.pressure.relief import choose
from media_analysis.retention.pressure.request import Occasion
from media_analysis.retention.records import SweepReport, add_sweep
from media_analysis.retention.removal.archive_expiry import bury_with_runs
from media_analysis.storage.store import ObjectStore

Value = TypeVar("Value")


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
    def wanted_bytes(self) -> int:
        """What goes of the category at once, lest every upload evicts."""
        return self.level.used_bytes - self.level.target_bytes(self.wish.size_bytes)

    @property
    def exists(self) -> bool:
        return self.of_category > 0 or self.of_owner > 0

    @property
    def is_for_ever(self) -> bool:
        """Whether it would not fit either if nothing else was there."""
        quotas = (self.level.rules.quota_bytes, self.level.rules.owner_quota_bytes)
        return any(quota_bytes is not None and self.wish.size_bytes > quota_bytes for quota_bytes in quotas)

    def refusal(self, space_frees_at: datetime | None, *, paused: str | None) -> QuotaReached:
        """Return what the caller is told."""
        rules, of_owner = self.level.rules, self.of_owner > 0
        kind = OwnerQuotaReached if of_owner else QuotaReached
        return kind(
            self.level.category.value,
            quota_bytes=(rules.owner_quota_bytes if of_owner else rules.quota_bytes) or 0,
            used_bytes=self.owned_bytes if of_owner else self.level.used_bytes,
            needed_bytes=self.wish.size_bytes,
            missing_bytes=self.of_owner if of_owner else self.of_category,
            space_frees_at=space_frees_at,
            paused=paused,
        )


async def find_shortage(session: AsyncSession, policy: Policy, wish: Wish) -> Shortage:
    """Return what is missing for a wish as things are."""
    owner, category = wish.account
    level = CategoryLevel(category, policy.of(category), await get_used_bytes(session, category))
    return Shortage(level, wish, await ledger.get_held_bytes(session, Account(owner, category)))


async def within_reach(session: AsyncSession, policy: Policy, shortage: Shortage, *, now: datetime) -> bool:
    """Say whether what is missing could be evicted."""
    if shortage.is_for_ever:
        return False
    category, wish = shortage.level.category, shortage.wish
    missing = ((shortage.of_owner, True), (shortage.of_category, False))
    return all(
        [
            await could_free(session, (category,), policy, size_bytes, now=now, wish=wish, only_owner=only_owner)
            for size_bytes, only_owner in missing
            if size_bytes > 0
        ]
    )


@dataclass
class Made(Generic[Value]):
    """What came of a transaction that made room: its value, and what is left to purge and to tell."""

    value: Value
    outcome: Outcome | None = None
    report: SweepReport | None = None
    claims: Sequence[Claim] = ()


class _OutOfReach(Exception):
    """Rolls a transaction back that would find no room."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__()
        self.shortage = shortage


class _Tripped(Exception):
    """Rolls a transaction back that would evict more than the breaker allows."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__()
        self.shortage = shortage


@dataclass(frozen=True, kw_only=True)
class RoomService:
    """Stores whole bytes together with the evictions that let them fit."""

    db: Database
    store: ObjectStore
    breaker: EvictionBreaker
    evicts: bool
    trash: timedelta | None
    """How long what falls due keeps its bytes."""

    async def require_reach(self, wish: Wish, *, now: datetime) -> None:
        """Return if a wish could be granted, by eviction if need be; nothing goes.

        Raises:
            QuotaReached: it could not.

        """
        async with self.db.read_only() as session:
            policy = await require_policy(session)
            shortage = await find_shortage(session, policy, wish)
            reachable = not shortage.exists or await self._within_reach(session, policy, shortage, now=now)
        if not reachable:
            raise await self._refusal(shortage, now=now)

    async def close(self, wish: Wish, closing: Closing[Value], occasion: Occasion) -> Made[Value]:
        """Run `closing` with the evictions it needs, in one transaction.

        Raises:
            QuotaReached: what may go is not enough; nothing went.
            QuotaPassed: others took the room at the same moment; nothing went, and trying again may help.

        """
        await self.store.require_marker()
        try:
            return await self._close(wish, closing, occasion)
        except _OutOfReach as found:
            raise await self._refusal(found.shortage, now=occasion.now) from None
        except _Tripped as tripped:
            await self._trip(tripped.shortage, now=occasion.now)
            raise await self._refusal(tripped.shortage, now=occasion.now) from None

    async def _trip(self, shortage: Shortage, *, now: datetime) -> None:
        category, wish = shortage.level.category, shortage.wish
        only_owner = not shortage.of_category
        wanted_bytes = shortage.of_owner if only_owner else shortage.wanted_bytes
        async with self.db.read_only() as session:
            policy = await require_policy(session)
            wanted = await foresee_relief(
                session, (category,), policy, wanted_bytes, now=now, wish=wish, only_owner=only_owner
            )
        await self.breaker.trip(category, wanted.of(category))

    @retried
    async def _close(self, wish: Wish, closing: Closing[Value], occasion: Occasion) -> Made[Value]:
        async with self.db.transaction() as session:
            await take_turn(session)
            policy = await require_policy(session)
            shortage = await find_shortage(session, policy, wish)
            report = await self._begin(session, policy, shortage, occasion) if shortage.exists else None
            value, moved = await closing(session)
            # After a COMMIT whose answer was lost nothing moves any more, and nothing has to go.
            if report is None:
                await require_fitting(session, moved)
                return Made(value)
            if not moved:
                return Made(value, Outcome(Scope(wish.account.category), sweep_id=report.id), report)
            if not await self._within_reach(session, policy, shortage, now=occasion.now):
                raise _OutOfReach(shortage)
            order = occasion.order(Scope(wish.account.category), report, policy)
            eviction = Eviction(session, self.breaker, policy, shortage, order)
            await eviction.run()
            await require_fitting(session, [*moved, *eviction.freed])
            failpoint("evict.claiming")
        failpoint("evict.claimed")
        return Made(value, eviction.outcome(report), report, eviction.claims)

    async def _begin(
        self, session: AsyncSession, policy: Policy, shortage: Shortage, occasion: Occasion
    ) -> SweepReport:
        """Remember it as a sweep, before any row of a job or a file is locked."""
        category = shortage.level.category
        report = SweepReport(
            id=uuid7(), dry_run=False, started_at=occasion.now, categories=(category,), policy_version=policy.version
        )
        await add_sweep(session, report, occasion.request_room(category))
        return report

    async def _within_reach(self, session: AsyncSession, policy: Policy, shortage: Shortage, *, now: datetime) -> bool:
        return self.evicts and await within_reach(session, policy, shortage, now=now)

    async def _refusal(self, shortage: Shortage, *, now: datetime) -> QuotaReached:
        if shortage.is_for_ever:
            return shortage.refusal(None, paused=None)
        category, missing_bytes, frees_at = shortage.level.category, shortage.of_category, None
        async with self.db.read_only() as session:
            pause = await find_pause(session, category, evicting=True)
            if not shortage.of_owner:
                frees_at = await find_space_freed(session, category, missing_bytes, now=now, trash=self.trash)
        return shortage.refusal(frees_at, paused=None if pause is None else pause.reason)


@dataclass
class Eviction:
    """The evictions of one transaction: what an owner's quota needs from that owner, then what the category needs."""

    session: AsyncSession
    breaker: EvictionBreaker
    policy: Policy
    shortage: Shortage
    order: Order
    allowance: Allowance | None = None
    tripped: bool = False
    claims: list[Claim] = field(default_factory=list)
    freed: list[Moved] = field(default_factory=list)
    blocked: Blocked = field(default_factory=Blocked)
    size_bytes: int = 0
    holdings: Holdings = field(default_factory=lambda: Holdings({}, {}))

    def outcome(self, report: SweepReport) -> Outcome:
        scope = Scope(self.shortage.level.category)
        return Outcome(scope, wanted_bytes=self.size_bytes, blocked=self.blocked, sweep_id=report.id)

    async def run(self) -> None:
        """Take what is wanted.

        Raises:
            QuotaPassed: it was no longer there to be taken.

        """
        shortage, level, wish = self.shortage, self.shortage.level, self.shortage.wish
        self.holdings = await read_holdings(self.session, (level.category,), wish)
        self.allowance = await self.breaker.read_allowance(
            self.session, level.category, level.rules, now=self.order.now
        )
        await self._take(shortage.of_owner, only_owner=True)
        if shortage.of_category > self.size_bytes:
            await self._take(shortage.wanted_bytes, only_owner=False)
        if self.size_bytes < max(shortage.of_owner, shortage.of_category):
            if self.tripped:
                raise _Tripped(shortage)
            raise QuotaPassed(level.category, wish.size_bytes)

    async def _take(self, wanted_bytes: int, *, only_owner: bool) -> None:
        category = self.shortage.level.category
        rules, wish = self.policy.of(category), self.shortage.wish
        if wanted_bytes <= self.size_bytes:
            return
        for source in eviction_order(self.policy, (category,)):
            queue = FairQueue(source, rules, wish, only_owner)
            queue.begin(self.holdings)
            await self._drain(queue, wanted_bytes)

    async def _drain(self, queue: FairQueue, wanted_bytes: int) -> None:
        more = True
        while more and self.size_bytes < wanted_bytes:
            missing_bytes = wanted_bytes - self.size_bytes
            batch = await choose(
                self.session, queue, missing_bytes, self.allowance, now=self.order.now, blocked=self.blocked
            )
            claims, freed = await bury_with_runs(self.session, batch.buried, self.order, category=queue.source.category)
            self.claims += claims
            self.freed += freed
            self.size_bytes += batch.size_bytes
            more, self.tripped = batch.more, batch.tripped
