"""One relief: batch after batch goes, trash first and then the oldest, until the low-water mark is reached."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.deletion.decisions import Decisions
from media_analysis.deletion.deleter import Deleter, Purged
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.pauses import require_running
from media_analysis.deletion.tombstones import Claim, Order
from media_analysis.errors import DeletionPaused
from media_analysis.failpoints import failpoint
from media_analysis.policy.decision import Delete, Policy, decide
from media_analysis.retention.claiming import take
from media_analysis.retention.guard.evictions import Allowance, EvictionBreaker
from media_analysis.retention.pressure.eviction import CandidateQueue, eviction_order, take_turn
from media_analysis.retention.pressure.fairness import FairQueue, Wish, read_holdings
from media_analysis.retention.pressure.foresight import count_barred, foresee_relief
from media_analysis.retention.pressure.levels import Goal
from media_analysis.retention.pressure.outcome import Blocked, ReliefBlocker, ReliefOutcome, blocker_of
from media_analysis.retention.records import SweepReport
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

BATCH: Final = 1_000


@dataclass
class Relief:
    """A relief under way."""

    goal: Goal
    policy: Policy
    order: Order
    report: SweepReport
    outcome: ReliefOutcome
    wish: Wish | None = None
    """For whose upload it is."""
    asks: bool = True
    """Whether somebody is asked to confirm what is more than the breaker allows; otherwise it just stays."""
    taken_bytes: int = 0
    reached: bool = False
    """Whether nothing is missing any more, whoever deleted it."""

    @property
    def remaining_bytes(self) -> int:
        """What this relief may still take, whatever comes in meanwhile."""
        return self.outcome.wanted_bytes - self.taken_bytes

    @property
    def is_over(self) -> bool:
        return self.reached or self.remaining_bytes <= 0

    def count(self, purged: Purged) -> None:
        count_purged(purged, self.report, self.outcome)
        if self.goal.wants_bytes_gone:
            self.taken_bytes -= sum(file.size_bytes for file, _ in purged.failed)


def count_purged(purged: Purged, report: SweepReport, outcome: ReliefOutcome) -> None:
    """Count what went, and what was deleted but is still there."""
    freed_bytes = sum(file.size_bytes for file in purged.gone)
    tally = report.of(purged.category)
    tally.add(len(purged.gone), freed_bytes)
    tally.errors += len(purged.failed)
    trash = sum(isinstance(file, DueFile) and file.state == FileState.TRASHED for file in purged.gone)
    outcome.freed_bytes += freed_bytes
    outcome.trash_files += trash
    outcome.files += len(purged.gone) - trash
    outcome.blocked.add(ReliefBlocker.FAILED, len(purged.failed), sum(file.size_bytes for file, _ in purged.failed))


@dataclass
class EvictionBatch:
    """What one look at a queue chose."""

    deleted: dict[RetentionRule, list[DueFile]] = field(default_factory=dict)
    size_bytes: int = 0
    looked: int = 0
    """How many files were looked at."""
    more: bool = False
    """Whether the queue was left before its end, with more to be taken of it."""
    tripped: bool = False
    """Whether the next file is more than the breaker allows."""

    @property
    def files(self) -> int:
        return sum(map(len, self.deleted.values()))

    def add(self, rule: RetentionRule, file: DueFile) -> None:
        self.deleted.setdefault(rule, []).append(file)
        self.size_bytes += file.size_bytes


@dataclass(frozen=True)
class Evictor:
    """Takes what has to go, through the one deleter."""

    db: Database
    store: ObjectStore
    deleter: Deleter
    breaker: EvictionBreaker

    async def relieve(self, relief: Relief) -> None:
        """Evict until the goal is reached or nothing is left that may go; what blocked it is in the outcome.

        A crash leaves claimed files to the outbox, as a sweep's does, and nothing else undone.

        Raises:
            MarkerMismatch, DatabaseUnavailable: it broke off.

        """
        for source in eviction_order(relief.policy, relief.goal.categories):
            if source.category not in relief.report.paused:
                await self._drain_unless_paused(source, relief)
        if not relief.is_over:
            await self._look_back(relief)
        relief.outcome.relieved = relief.is_over

    async def _drain_unless_paused(self, source: CandidateQueue, relief: Relief) -> None:
        try:
            await self._drain(source, relief)
        except DeletionPaused as paused:
            relief.report.paused[source.category] = paused.reason

    async def _drain(self, source: CandidateQueue, relief: Relief) -> None:
        queue = FairQueue(source, relief.policy.of(source.category), relief.wish)
        batch = EvictionBatch(more=True)
        while batch.more and not relief.is_over:
            batch, claims = await self._claim(queue, relief)
            for claim in claims:
                relief.count(await self.deleter.purge(claim))
        if batch.tripped and relief.asks:
            relief.report.paused[source.category] = await self._trip(source.category, relief)

    async def _trip(self, category: Category, relief: Relief) -> str:
        now, wanted_bytes = relief.order.now, relief.remaining_bytes
        async with self.db.read_only() as session:
            wanted = await foresee_relief(session, (category,), relief.policy, wanted_bytes, now=now, wish=relief.wish)
        return await self.breaker.trip(category, wanted.of(category))

    @retried
    async def _claim(self, queue: FairQueue, relief: Relief) -> tuple[EvictionBatch, Sequence[Claim]]:
        """Take one batch."""
        with queue.attempt():
            return await self._claim_once(queue, relief)

    async def _claim_once(self, queue: FairQueue, relief: Relief) -> tuple[EvictionBatch, Sequence[Claim]]:
        category, now = queue.source.category, relief.order.now
        await self.store.require_marker()
        async with self.db.transaction() as session:
            await take_turn(session, relief.goal.scope.category)
            await require_running(session, category, evicting=True)
            enough_bytes = min(relief.remaining_bytes, await relief.goal.missing(session))
            if enough_bytes <= 0:
                relief.reached = True
                return EvictionBatch(), []
            queue.begin(await read_holdings(session, relief.goal.categories, relief.wish))
            allowance = await self.breaker.read_allowance(session, category, queue.rules, now=now)
            batch = await choose(session, queue, enough_bytes, allowance, now=now, blocked=relief.outcome.blocked)
            claims = await take(
                session, category, Decisions(batch.deleted, {}, {}), relief.order, self.deleter.strategy
            )
            failpoint("evict.claiming")
        failpoint("evict.claimed")
        relief.taken_bytes += sum(file.size_bytes for claim in claims for file in claim.files)
        return batch, claims

    async def _look_back(self, relief: Relief) -> None:
        async with self.db.read_only() as session:
            relief.reached = await relief.goal.missing(session) <= 0
            await count_barred(
                session,
                relief.goal.categories,
                relief.policy,
                paused=relief.report.paused,
                blocked=relief.outcome.blocked,
            )


async def choose(
    session: AsyncSession,
    queue: FairQueue,
    enough_bytes: int,
    allowance: Allowance | None,
    *,
    now: datetime,
    blocked: Blocked,
    most: int = BATCH,
) -> EvictionBatch:
    """Lock and decide in the order of turns until enough goes, the breaker trips, or so many files were looked at.

    What stays keeps its dates: a decision under pressure says nothing about when it falls due.
    """
    batch = EvictionBatch()
    async with aclosing(queue.turns(session, most=most, lock=True)) as turns:
        async for candidate, dates_yield, _ in turns:
            file = candidate.file
            decision = decide(file, queue.rules, now, under_pressure=True, dates_yield=dates_yield)
            if isinstance(decision, Delete):
                evicts = decision.rule is RetentionRule.PRESSURE
                if evicts and allowance is not None and not allowance.take(file.size_bytes):
                    batch.tripped = True
                    break
                queue.took(candidate)
                batch.add(decision.rule, file)
            else:
                blocked.add(blocker_of(decision.rule), 1, file.size_bytes)
            if batch.size_bytes >= enough_bytes:
                batch.more = True
                break
    batch.looked = most - queue.left
    batch.more |= queue.left <= 0 and not batch.tripped
    return batch
