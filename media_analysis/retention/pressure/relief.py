"""One relief: batch after batch goes, trash first and then the oldest, until the low-water mark is reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from media_analysis.db.database import Database, retried
from media_analysis.errors import DeletionPaused
from media_analysis.failpoints import failpoint
from media_analysis.files.models import RetentionRule
from media_analysis.retention.burial import Claim, Order
from media_analysis.retention.deletion import Deleter, Purged
from media_analysis.retention.due import DueFile
from media_analysis.retention.guard.pauses import require_running
from media_analysis.retention.policy import Delete, Policy, decide
from media_analysis.retention.pressure.eviction import (
    FIRST,
    Candidate,
    Place,
    Source,
    Stage,
    eviction_order,
    list_candidates,
    take_turn,
)
from media_analysis.retention.pressure.foresight import count_barred
from media_analysis.retention.pressure.levels import Goal
from media_analysis.retention.pressure.outcome import Blocker, Outcome, blocker_of
from media_analysis.retention.records import SweepReport
from media_analysis.retention.sorting import Sorted
from media_analysis.storage.store import ObjectStore

BATCH: Final = 1_000


@dataclass
class Relief:
    """A relief under way."""

    goal: Goal
    policy: Policy
    order: Order
    report: SweepReport
    outcome: Outcome
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

    def count(self, source: Source, purged: Purged) -> None:
        freed_bytes = sum(file.size_bytes for file in purged.gone)
        failed_bytes = sum(file.size_bytes for file, _ in purged.failed)
        tally = self.report.of(source.category)
        tally.add(len(purged.gone), freed_bytes)
        tally.errors += len(purged.failed)
        self.outcome.freed_bytes += freed_bytes
        if source.stage is Stage.TRASH:
            self.outcome.trash_files += len(purged.gone)
        else:
            self.outcome.files += len(purged.gone)
        self.outcome.blocked.add(Blocker.FAILED, len(purged.failed), failed_bytes)
        if self.goal.wants_bytes_gone:
            self.taken_bytes -= failed_bytes


@dataclass(frozen=True)
class Evictor:
    """Takes what has to go, through the one deleter."""

    db: Database
    store: ObjectStore
    deleter: Deleter

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

    async def _drain_unless_paused(self, source: Source, relief: Relief) -> None:
        try:
            await self._drain(source, relief)
        except DeletionPaused as paused:
            relief.report.paused[source.category] = paused.reason

    async def _drain(self, source: Source, relief: Relief) -> None:
        place: Place | None = FIRST
        while place is not None and not relief.is_over:
            place, claims = await self._claim(source, relief, place)
            for claim in claims:
                relief.count(source, await self.deleter.purge(claim))

    @retried
    async def _claim(self, source: Source, relief: Relief, after: Place) -> tuple[Place | None, Sequence[Claim]]:
        """Take one batch; returns where the next begins, None when the queue is at its end."""
        await self.store.require_marker()
        async with self.db.transaction() as session:
            await take_turn(session)
            await require_running(session, source.category)
            enough_bytes = min(relief.remaining_bytes, await relief.goal.missing(session))
            if enough_bytes <= 0:
                relief.reached = True
                return None, []
            candidates = await list_candidates(session, source, after=after, limit=BATCH, lock=True)
            if not candidates:
                return None, []
            decided, last = _choose(candidates, source, relief, enough_bytes)
            claims = await self.deleter.take(session, source.category, decided, relief.order)
            failpoint("evict.claiming")
        failpoint("evict.claimed")
        relief.taken_bytes += sum(file.size_bytes for claim in claims for file in claim.files)
        return last.place, claims

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


def _choose(
    candidates: Sequence[Candidate], source: Source, relief: Relief, enough_bytes: int
) -> tuple[Sorted, Candidate]:
    """Decide in order until enough goes; returns what goes, and the last that was looked at.

    What stays keeps its dates: a decision under pressure says nothing about when it falls due.
    """
    rules = relief.policy.of(source.category)
    buried: dict[RetentionRule, list[DueFile]] = {}
    chosen_bytes, last = 0, candidates[0]
    for candidate in candidates:
        if chosen_bytes >= enough_bytes:
            break
        last = candidate
        decision = decide(candidate.file, rules, relief.order.now, under_pressure=True)
        if isinstance(decision, Delete):
            buried.setdefault(decision.rule, []).append(candidate.file)
            chosen_bytes += candidate.file.size_bytes
        else:
            relief.outcome.blocked.add(blocker_of(decision.rule), 1, candidate.file.size_bytes)
    return Sorted(buried, {}, {}), last
