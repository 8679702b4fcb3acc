"""Room in a quota: made in the transaction that stores an upload, for whole bytes, all of it or nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.archive.expiry import delete_with_runs
from media_analysis.db.database import Database, retried
from media_analysis.deletion.pauses import find_pause
from media_analysis.deletion.strategy import Strategy
from media_analysis.deletion.tombstones import Claim, Order
from media_analysis.errors import QuotaPassed, QuotaReached
from media_analysis.failpoints import failpoint
from media_analysis.files.ledger import Moved
from media_analysis.files.upload.room import ROOM_ATTEMPTS, Closing
from media_analysis.files.upload.storing import require_fitting
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.guard.evictions import Allowance, EvictionBreaker
from media_analysis.retention.pressure.eviction import eviction_order, find_space_freed, take_turn
from media_analysis.retention.pressure.fairness import FairQueue, Holdings, Wish, read_holdings
from media_analysis.retention.pressure.foresight import MOST_ROWS, NONE, Freeing, foresee_relief
from media_analysis.retention.pressure.outcome import Blocked, PressureScope, ReliefOutcome
from media_analysis.retention.pressure.relief import BATCH, choose
from media_analysis.retention.pressure.request import Occasion
from media_analysis.retention.pressure.shortage import Shortage, find_needed, find_shortage
from media_analysis.retention.records import SweepReport, add_sweep
from media_analysis.storage.store import ObjectStore

Value = TypeVar("Value")
MOST_AT_ONCE: Final = 5_000
"""How many files go in one transaction: about a second's worth, well inside the deadline of five."""


@dataclass
class Made(Generic[Value]):
    """What came of a transaction that made room: its value, and what is left to purge and to tell."""

    value: Value
    outcome: ReliefOutcome | None = None
    report: SweepReport | None = None
    claims: Sequence[Claim] = ()


class _Tripped(Exception):
    """Rolls a transaction back that would evict more than the breaker allows."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__()
        self.shortage = shortage


@dataclass(frozen=True, kw_only=True)
class RoomService:
    """Stores whole bytes together with the evictions that let them fit: just what is missing, and all or nothing.

    Only where that is more files than one transaction takes, the first of them go in transactions of their own. Each
    follows a proof that the whole wish can be granted, and asks the breaker for all of it; so they are what the closing
    transaction would have taken, and but for a crash, or a hold that comes in between, the upload is stored.
    """

    db: Database
    store: ObjectStore
    breaker: EvictionBreaker
    evicts: bool
    strategy: Strategy

    async def require_reach(self, wish: Wish, *, now: datetime) -> Freeing:
        """Return what would go if a wish was granted now; nothing goes, and nobody waits for it.

        Raises:
            QuotaReached: it could not be granted.

        """
        async with self.db.read_only() as session:
            policy = await require_policy(session)
            shortage = await find_shortage(session, policy, wish)
            if not shortage.exists:
                return NONE
            needed = await find_needed(session, policy, shortage, now=now) if self.evicts else None
        if needed is None:
            raise await self._refusal(shortage, now=now)
        return needed

    async def make(
        self, wish: Wish, closing: Closing[Value], occasion: Occasion, finish: Callable[[Made[Any]], Awaitable[None]]
    ) -> Made[Value]:
        """Run `closing` with the evictions it needs; what had to go before it is handed to `finish` at once.

        Raises:
            QuotaReached: what may go is not enough, or more than the breaker allows; nothing went.
            QuotaPassed: others took the room time and again.

        """
        for _ in range(ROOM_ATTEMPTS):
            try:
                # Looked at first, and not in the turn: an upload that cannot be granted keeps nobody waiting.
                while (needed := await self.require_reach(wish, now=occasion.now)).files > MOST_AT_ONCE:
                    await finish(await self._or_trip(partial(self._clear, wish, needed, occasion), occasion))
                return await self._or_trip(partial(self._close, wish, closing, occasion), occasion)
            except QuotaPassed:
                continue  # others were faster
        raise QuotaPassed(wish.account.category, wish.size_bytes)

    async def _or_trip(self, make: Callable[[], Awaitable[Made[Value]]], occasion: Occasion) -> Made[Value]:
        await self.store.require_marker()
        try:
            return await self.db.retry(make)
        except _Tripped as tripped:
            await self._trip(tripped.shortage, now=occasion.now)
            raise await self._refusal(tripped.shortage, now=occasion.now) from None

    async def _trip(self, shortage: Shortage, *, now: datetime) -> None:
        category, wish = shortage.level.category, shortage.wish
        only_owner = not shortage.of_category
        wanted_bytes = shortage.of_owner if only_owner else shortage.of_category
        async with self.db.read_only() as session:
            policy = await require_policy(session)
            wanted = await foresee_relief(
                session, (category,), policy, wanted_bytes, now=now, wish=wish, only_owner=only_owner
            )
        await self.breaker.trip(category, wanted.of(category))

    @retried
    async def _clear(self, wish: Wish, needed: Freeing, occasion: Occasion) -> Made[None]:
        """Evict the first `MOST_AT_ONCE` of the files that a wish needs."""
        async with self.db.transaction() as session:
            await take_turn(session, wish.account.category)
            policy = await require_policy(session)
            shortage = await find_shortage(session, policy, wish)
            if not shortage.exists:
                return Made(None)
            report = await self._begin(session, policy, shortage, occasion)
            eviction = await self._begin_eviction(session, policy, shortage, report, occasion)
            if eviction.allowance is not None and not eviction.allowance.covers(needed.evicted):
                raise _Tripped(shortage)
            await eviction.run()
            if not eviction.files:
                raise QuotaPassed(wish.account.category, wish.size_bytes)
            await require_fitting(session, eviction.freed)
            failpoint("evict.claiming")
        failpoint("evict.claimed")
        return Made(None, eviction.outcome(report), report, eviction.claims)

    @retried
    async def _close(self, wish: Wish, closing: Closing[Value], occasion: Occasion) -> Made[Value]:
        async with self.db.transaction() as session:
            await take_turn(session, wish.account.category)
            policy = await require_policy(session)
            shortage = await find_shortage(session, policy, wish)
            report = await self._begin(session, policy, shortage, occasion) if shortage.exists else None
            value, moved = await closing(session)
            if report is None:
                await require_fitting(session, moved)
                return Made(value)
            # After a COMMIT whose answer was lost nothing moves any more, and nothing has to go.
            if not any(any(movement) for _, movement in moved):
                return Made(value, ReliefOutcome(PressureScope(wish.account.category), sweep_id=report.id), report)
            eviction = await self._begin_eviction(session, policy, shortage, report, occasion)
            await eviction.run()
            if not eviction.is_enough:
                raise _Tripped(shortage) if eviction.tripped else QuotaPassed(wish.account.category, wish.size_bytes)
            await require_fitting(session, [*moved, *eviction.freed])
            failpoint("evict.claiming")
        failpoint("evict.claimed")
        return Made(value, eviction.outcome(report), report, eviction.claims)

    async def _begin_eviction(
        self, session: AsyncSession, policy: Policy, shortage: Shortage, report: SweepReport, occasion: Occasion
    ) -> "RoomEvictions":
        """Return the evictions of a transaction, unless nothing may go any more: then the next look at it says why."""
        category, wish = shortage.level.category, shortage.wish
        if not self.evicts or await find_pause(session, category, evicting=True) is not None:
            raise QuotaPassed(category, wish.size_bytes)
        order = occasion.order(PressureScope(category), report, policy)
        holdings = await read_holdings(session, (category,), wish)
        allowance = await self.breaker.read_allowance(session, category, shortage.level.rules, now=order.now)
        return RoomEvictions(session, policy, shortage, order, holdings, allowance)

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

    async def _refusal(self, shortage: Shortage, *, now: datetime) -> QuotaReached:
        if shortage.is_for_ever:
            return shortage.refusal()
        category, owner = shortage.level.category, shortage.wish.account.owner
        missing_bytes, trash = shortage.of_owner or shortage.of_category, self.strategy.kept_when_swept(category)
        async with self.db.read_only() as session:
            pause = await find_pause(session, category, evicting=True)
            frees_at, own_frees_at = [
                await find_space_freed(session, category, missing_bytes, now=now, trash=trash, owner=whose)
                for whose in (None, owner)
            ]
        return shortage.refusal(frees_at, own_frees_at, paused=None if pause is None else pause.public_reason)


@dataclass
class RoomEvictions:
    """The evictions of one transaction: what an owner's quota needs from that owner, then what the category needs."""

    session: AsyncSession
    policy: Policy
    shortage: Shortage
    order: Order
    holdings: Holdings
    allowance: Allowance | None
    tripped: bool = False
    claims: list[Claim] = field(default_factory=list)
    freed: list[Moved] = field(default_factory=list)
    blocked: Blocked = field(default_factory=Blocked)
    size_bytes: int = 0
    files: int = 0
    looked: int = 0

    def outcome(self, report: SweepReport) -> ReliefOutcome:
        scope = PressureScope(self.shortage.level.category)
        return ReliefOutcome(scope, wanted_bytes=self.size_bytes, blocked=self.blocked, sweep_id=report.id)

    @property
    def is_enough(self) -> bool:
        return self.size_bytes >= max(self.shortage.of_owner, self.shortage.of_category)

    async def run(self) -> None:
        """Take what is missing, as far as one transaction goes."""
        await self._take(self.shortage.of_owner, only_owner=True)
        await self._take(self.shortage.of_category, only_owner=False)

    async def _take(self, wanted_bytes: int, *, only_owner: bool) -> None:
        category = self.shortage.level.category
        rules, wish = self.policy.of(category), self.shortage.wish
        for source in eviction_order(self.policy, (category,)):
            queue = FairQueue(source, rules, wish, only_owner)
            queue.begin(self.holdings)
            await self._drain(queue, wanted_bytes)

    async def _drain(self, queue: FairQueue, wanted_bytes: int) -> None:
        more = True
        while more and self.size_bytes < wanted_bytes and self.files < MOST_AT_ONCE and self.looked < MOST_ROWS:
            missing_bytes = wanted_bytes - self.size_bytes
            batch = await choose(
                self.session,
                queue,
                missing_bytes,
                self.allowance,
                now=self.order.now,
                blocked=self.blocked,
                most=min(BATCH, MOST_AT_ONCE - self.files),
            )
            claims, freed = await delete_with_runs(
                self.session, batch.deleted, self.order, category=queue.source.category
            )
            self.claims += claims
            self.freed += freed
            self.size_bytes += batch.size_bytes
            self.files += batch.files
            self.looked += batch.looked
            more, self.tripped = batch.more, batch.tripped
