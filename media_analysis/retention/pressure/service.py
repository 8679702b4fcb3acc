"""Pressure: a category or the disk over its high-water mark, relieved by early deletion of what may go."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final, TypeVar

import structlog
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.pauses import find_pause
from media_analysis.errors import DiskReserveReached, MediaAnalysisError, QuotaReached
from media_analysis.files.ledger import Account
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.room import Closing
from media_analysis.policy.in_force import require_policy
from media_analysis.retention import records
from media_analysis.retention.guard.clock import ClockService
from media_analysis.retention.guard.evictions import EvictionBreaker
from media_analysis.retention.models import SweepStatus, SweepTrigger
from media_analysis.retention.pressure.fairness import Wish
from media_analysis.retention.pressure.foresight import find_freeing
from media_analysis.retention.pressure.levels import CategoryGoal, CategoryLevel, DiskGoal, DiskLevel, DiskMarks, Goal
from media_analysis.retention.pressure.noticing import Noticing
from media_analysis.retention.pressure.outcome import PressureScope, ReliefOutcome
from media_analysis.retention.pressure.preview import PressurePreview, get_level, preview
from media_analysis.retention.pressure.relief import Evictor, Relief, count_purged
from media_analysis.retention.pressure.request import Occasion
from media_analysis.retention.pressure.room import Made, RoomService
from media_analysis.retention.records import SweepReport
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

Value = TypeVar("Value")
SCOPES: Final = (*(PressureScope(category) for category in Category), PressureScope(None))
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class PressureService:
    """Makes room: down to the low-water marks when it is time, and for an upload that finds none."""

    db: Database
    store: ObjectStore
    deleter: Deleter
    clock: ClockService
    breaker: EvictionBreaker
    marks: DiskMarks
    observe_sweep: Callable[[SweepReport], None]
    observe_relief: Callable[[ReliefOutcome], None]
    evicts: bool = True
    """False where cleanup only rehearses: then pressure is told, and nothing goes."""
    _turns: dict[Category | None, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)
    """One relief per scope at a time: many uploads that find no room at once need it made once."""

    async def relieve(
        self,
        *,
        trigger: SweepTrigger,
        actor: str = "scheduler",
        slot: datetime | None = None,
        now: datetime | None = None,
    ) -> Sequence[ReliefOutcome]:
        """Relieve every category, then the disk; returns one outcome for each that was under pressure.

        Of all processes that answer the same `slot`, one relieves each scope.

        Raises:
            MarkerMismatch, DatabaseUnavailable: it could not begin, or broke off; the outbox has what was claimed.

        """
        occasion = Occasion(trigger=trigger, actor=actor, slot=slot, now=now or await self.db.now())
        outcomes = [await self._relieve(scope, occasion) for scope in SCOPES]
        return [outcome for outcome in outcomes if outcome is not None]

    async def notice(self, category: Category) -> None:
        """Relieve a category within a second if an upload just took it past its mark; raises nothing for that."""
        await self._noticing.notice(category)

    async def aclose(self) -> None:
        """Give up what was put off."""
        await self._noticing.close()

    async def look(self, *categories: Category) -> None:
        """Relieve, now, what of these is past its high-water mark; raises as little as `notice` does."""
        for category in categories:
            try:
                await self._relieve(PressureScope(category), await self._upload())
            except MediaAnalysisError as error:
                log.warning("pressure.postponed", category=category.value, reason=error.code)

    async def require_reach(self, asked: Registration, size_bytes: int) -> None:
        """Return if an upload of so many bytes in all could be stored; nothing goes.

        Raises:
            QuotaReached: what may be evicted is not enough; says how much is missing and when space frees.

        """
        await self._room.require_reach(Wish(asked.account, size_bytes, asked.id), now=await self.db.now())

    async def make_room(self, asked: Registration, size_bytes: int, closing: Closing[Value]) -> Value:
        """Run `closing` with the evictions that let so many bytes fit: all of it in one transaction, or nothing.

        Where that is too many files for one transaction, the first go before it; see `RoomService`. Then the category
        is relieved down to its low-water mark, lest every upload evicts.

        Raises:
            QuotaReached: what may be evicted is not enough; says how much is missing and when space frees.

        """
        wish, occasion = Wish(asked.account, size_bytes, asked.id), await self._upload()
        if self.evicts:
            await self.clock.check()
        async with self._turns[asked.category]:
            try:
                made = await self._room.make(wish, closing, occasion, self._finish)
            except QuotaReached as reached:
                self._tell(ReliefOutcome(PressureScope(asked.category), reached.missing_bytes, relieved=False))
                raise
            if made.report is not None:
                await self._finish(made)
                await self._relieve_beyond(wish, occasion)
            return made.value

    async def _relieve_beyond(self, wish: Wish, occasion: Occasion) -> None:
        """Evict down to the low-water mark what an upload had to make room in; never fails that upload.

        What is more than the breaker allows just stays: nobody needs it yet.
        """
        category = wish.account.category
        try:
            level = await self._read_level(category)
            if (beyond_bytes := level.beyond_bytes(wish.size_bytes)) > 0:
                goal = CategoryGoal(category, level.used_bytes - beyond_bytes)
                await self._run(goal, beyond_bytes, occasion, replace(wish, size_bytes=0), asks=False)
        except MediaAnalysisError as error:
            log.warning("pressure.postponed", category=category.value, reason=error.code)

    async def make_disk_room(self, needed_bytes: int, account: Account, *, key: str = "") -> None:
        """Free so much of the disk that an object of an account lies on, beside its reserve, or nothing at all.

        Raises:
            DiskReserveReached: not even eviction frees enough.

        """
        async with self._turns[None]:
            occasion, level = await self._upload(), await self._disk_level(key)
            needed_free_bytes = self.marks.reserve_bytes + needed_bytes
            goal, wish = DiskGoal(self.store, needed_free_bytes, key), Wish(account, needed_bytes)
            missing_bytes = await self._missing(goal)
            if missing_bytes <= 0:
                return
            if self.evicts and await self._could_free(goal.categories, missing_bytes, wish, occasion.now):
                marked_bytes = level.target_free_bytes if level.under_pressure else 0
                goal = replace(goal, target_free_bytes=max(needed_free_bytes, marked_bytes))
                await self._run(goal, await self._missing(goal), occasion, wish)
                level = await self._disk_level(key)
                if level.capacity.free_bytes >= needed_free_bytes:
                    return
            self._tell(ReliefOutcome(PressureScope(None), missing_bytes, relieved=False))
            raise DiskReserveReached(
                free_bytes=level.capacity.free_bytes,
                reserve_bytes=self.marks.reserve_bytes,
                needed_bytes=needed_bytes,
                paused=await self._find_pause([account.category, *goal.categories]),
            )

    async def _find_pause(self, categories: Sequence[Category]) -> str | None:
        async with self.db.read_only() as session:
            for category in categories:
                if (pause := await find_pause(session, category, evicting=True)) is not None:
                    return pause.public_reason
        return None

    async def preview(self, *, category: Category | None, limit: int, now: datetime | None = None) -> PressurePreview:
        """Return all levels and who would go next, for the disk or for one category, and why."""
        moment, disk = now or await self.db.now(), await self._disk_level()
        categories = self.store.categories_beside("") if category is None else (category,)
        async with self.db.read_only() as session:
            return await preview(session, disk, categories, limit=limit, now=moment)

    async def _relieve(self, scope: PressureScope, occasion: Occasion) -> ReliefOutcome | None:
        async with self._turns[scope.category]:
            goal = await self._find_goal(scope)
            wanted_bytes = 0 if goal is None else await self._missing(goal)
            if goal is None or wanted_bytes <= 0:
                self.observe_relief(ReliefOutcome(scope))
                return None
            return await self._run(goal, wanted_bytes, occasion)

    async def _find_goal(self, scope: PressureScope) -> Goal | None:
        """Return where a scope under pressure has to arrive."""
        if scope.category is None:
            disk = await self._disk_level()
            return DiskGoal(self.store, disk.target_free_bytes) if disk.under_pressure else None
        level = await self._read_level(scope.category)
        return CategoryGoal(scope.category, level.low_water_bytes) if level.under_pressure else None

    async def _run(
        self, goal: Goal, wanted_bytes: int, occasion: Occasion, wish: Wish | None = None, *, asks: bool = True
    ) -> ReliefOutcome | None:
        """Relieve one scope, and remember it as a sweep; None when another process answers this tick."""
        outcome = ReliefOutcome(goal.scope, wanted_bytes, relieved=False)
        if not self.evicts:
            self._tell(outcome)
            return outcome
        await self.clock.check()  # a clock that jumped ends holds; distrust of it is a pause, which batches obey
        report = SweepReport(id=uuid7(), dry_run=False, started_at=occasion.now, categories=goal.categories)
        relief = await self._begin(goal, occasion, report, outcome, wish)
        if relief is None:
            return None
        relief.asks = asks
        try:
            await Evictor(self.db, self.store, self.deleter, self.breaker).relieve(relief)
            report.status = SweepStatus.PAUSED if report.paused else SweepStatus.COMPLETED
        except BaseException as error:
            report.status = SweepStatus.FAILED
            report.error = error.code if isinstance(error, MediaAnalysisError) else type(error).__name__
            raise
        finally:
            report.details = dict(outcome.document())
            await self._close(report)
            self._tell(outcome)
        return outcome

    @retried
    async def _begin(
        self, goal: Goal, occasion: Occasion, report: SweepReport, outcome: ReliefOutcome, wish: Wish | None
    ) -> Relief | None:
        async with self.db.transaction() as session:
            policy = await require_policy(session)
            report.policy_version, outcome.sweep_id = policy.version, report.id
            if not await records.add_sweep(session, report, occasion.request(goal)):
                return None
        return Relief(goal, policy, occasion.order(goal.scope, report, policy), report, outcome, wish)

    async def _close(self, report: SweepReport) -> None:
        try:
            report.ended_at = await self.db.now()
            async with self.db.transaction() as session:
                await records.mark_ended(session, report)
        except MediaAnalysisError as error:
            log.warning("sweep.left_open", sweep_id=str(report.id), reason=error.code)
        self.observe_sweep(report)

    def _tell(self, outcome: ReliefOutcome) -> None:
        self.observe_relief(outcome)
        if not outcome.relieved:
            log.warning("pressure.unrelieved", **outcome.document())
        elif outcome.files:
            log.warning("pressure.evicted", **outcome.document())

    async def _finish(self, made: Made[Value]) -> None:
        """Remove the bytes of what an upload's transaction evicted, and remember it as a sweep."""
        if made.report is None or made.outcome is None:
            return
        for claim in made.claims:
            try:
                count_purged(await self.deleter.purge(claim), made.report, made.outcome)
            except MediaAnalysisError as error:
                # The upload is stored and the tombstones are committed: the outbox goes on with the bytes.
                log.warning("purge.postponed", purge_id=str(claim.purge_id), reason=error.code)
        made.report.status = SweepStatus.COMPLETED
        made.report.details = dict(made.outcome.document())
        await self._close(made.report)
        self._tell(made.outcome)

    async def _could_free(self, categories: Sequence[Category], enough_bytes: int, wish: Wish, now: datetime) -> bool:
        async with self.db.read_only() as session:
            policy = await require_policy(session)
            return await find_freeing(session, categories, policy, enough_bytes, now=now, wish=wish) is not None

    @cached_property
    def _noticing(self) -> Noticing:
        return Noticing(self.look, lambda category: self._turns[category].locked())

    @cached_property
    def _room(self) -> RoomService:
        strategy = self.deleter.strategy
        return RoomService(db=self.db, store=self.store, breaker=self.breaker, evicts=self.evicts, strategy=strategy)

    async def _missing(self, goal: Goal) -> int:
        async with self.db.read_only() as session:
            return await goal.missing(session)

    async def _read_level(self, category: Category) -> CategoryLevel:
        async with self.db.read_only() as session:
            return await get_level(session, category)

    async def _disk_level(self, key: str = "") -> DiskLevel:
        return DiskLevel(await self.store.capacity(key), self.marks)

    async def _upload(self) -> Occasion:
        return Occasion(trigger=SweepTrigger.UPLOAD, actor="upload", now=await self.db.now())
