"""Pressure: a category or the disk over its high-water mark, relieved by early deletion of what may go."""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import structlog
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.errors import DiskReserveReached, MediaAnalysisError, QuotaReached
from media_analysis.retention import records
from media_analysis.retention.burial import Order
from media_analysis.retention.deletion import Deleter
from media_analysis.retention.guard.clock import ClockService
from media_analysis.retention.models import SweepStatus, SweepTrigger
from media_analysis.retention.policies import require_policy
from media_analysis.retention.pressure.eviction import find_space_freed
from media_analysis.retention.pressure.foresight import could_free
from media_analysis.retention.pressure.levels import CategoryGoal, CategoryLevel, DiskGoal, DiskLevel, DiskMarks, Goal
from media_analysis.retention.pressure.outcome import Outcome, Scope
from media_analysis.retention.pressure.preview import Preview, get_level, preview
from media_analysis.retention.pressure.relief import Evictor, Relief
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

NOTICE_SECONDS: Final = 1.0
"""How often uploads have a category's level looked at."""
SCOPES: Final = (*(Scope(category) for category in Category), Scope(None))
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class ReliefRequest(SweepRequest):
    """Which relief is wanted, by whom, and for which tick of the schedule."""

    scope: Scope

    @property
    def kind(self) -> str:
        return f"pressure:{self.scope.name}"


@dataclass(frozen=True, kw_only=True)
class _Occasion:
    """What leads to a relief."""

    trigger: SweepTrigger
    requested_by: str
    now: datetime
    slot: datetime | None = None

    def request(self, goal: Goal) -> ReliefRequest:
        return ReliefRequest(
            categories=goal.categories,
            trigger=self.trigger,
            requested_by=self.requested_by,
            slot=self.slot,
            scope=goal.scope,
        )


@dataclass(frozen=True, kw_only=True)
class PressureService:
    """Makes room: down to the low-water marks when it is time, and for an upload that finds none."""

    db: Database
    store: ObjectStore
    deleter: Deleter
    clock: ClockService
    marks: DiskMarks
    observe_sweep: Callable[[SweepReport], None]
    observe_relief: Callable[[Outcome], None]
    evicts: bool = True
    """False where cleanup only rehearses: then pressure is told, and nothing goes."""
    _turns: dict[Category | None, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)
    """One relief per scope at a time: many uploads that find no room at once need it made once."""
    _noticed: dict[Category, float] = field(default_factory=dict, init=False)

    async def relieve(
        self,
        *,
        trigger: SweepTrigger,
        requested_by: str = "scheduler",
        slot: datetime | None = None,
        now: datetime | None = None,
    ) -> Sequence[Outcome]:
        """Relieve every category, then the disk; returns one outcome for each that was under pressure.

        Of all processes that answer the same `slot`, one relieves each scope.

        Raises:
            MarkerMismatch, DatabaseUnavailable: it could not begin, or broke off; the outbox has what was claimed.

        """
        occasion = _Occasion(trigger=trigger, requested_by=requested_by, slot=slot, now=now or await self.db.now())
        outcomes = [await self._relieve(scope, occasion) for scope in SCOPES]
        return [outcome for outcome in outcomes if outcome is not None]

    async def notice(self, category: Category) -> None:
        """Relieve a category if an upload just took it past its high-water mark; looks once a second at most.

        Never raises what an upload that succeeded would have to answer for.
        """
        seconds = time.monotonic()
        if seconds - self._noticed.get(category, -math.inf) < NOTICE_SECONDS or self._turns[category].locked():
            return
        self._noticed[category] = seconds
        try:
            await self._relieve(Scope(category), await self._upload())
        except MediaAnalysisError as error:
            log.warning("pressure.postponed", category=category.value, reason=error.code)

    async def make_room(self, category: Category, needed_bytes: int) -> None:
        """Free so much of a category's quota, and more down to its low-water mark; nothing if that is not enough.

        Raises:
            QuotaReached: what may be evicted is not enough; says how much is missing and when space frees.

        """
        async with self._turns[category]:
            occasion = await self._upload()
            level = await self._read_level(category)
            if level.missing_bytes(needed_bytes) <= 0:
                return
            if await self._could_make_room(level, needed_bytes, occasion.now):
                goal = CategoryGoal(category, level.target_bytes(needed_bytes))
                await self._run(goal, level.used_bytes - goal.target_used_bytes, occasion)
                level = await self._read_level(category)
                if level.missing_bytes(needed_bytes) <= 0:
                    return
            raise await self._quota_reached(level, needed_bytes, occasion.now)

    async def make_disk_room(self, needed_bytes: int, *, key: str = "") -> None:
        """Free so much of the disk an object lies on, beside its reserve; nothing if what may go is not enough.

        Raises:
            DiskReserveReached: not even eviction frees enough.

        """
        async with self._turns[None]:
            occasion, level = await self._upload(), await self._disk_level(key)
            needed_free_bytes = self.marks.reserve_bytes + needed_bytes
            goal = DiskGoal(self.store, needed_free_bytes, key)
            missing_bytes = await self._missing(goal)
            if missing_bytes <= 0:
                return
            if self.evicts and await self._could_free(goal.categories, missing_bytes, occasion.now):
                marked_bytes = level.target_free_bytes if level.under_pressure else 0
                goal = replace(goal, target_free_bytes=max(needed_free_bytes, marked_bytes))
                await self._run(goal, await self._missing(goal), occasion)
                level = await self._disk_level(key)
                if level.capacity.free_bytes >= needed_free_bytes:
                    return
            self._tell(Outcome(Scope(None), missing_bytes, relieved=False))
            raise DiskReserveReached(
                free_bytes=level.capacity.free_bytes, reserve_bytes=self.marks.reserve_bytes, needed_bytes=needed_bytes
            )

    async def preview(self, *, category: Category | None, limit: int, now: datetime | None = None) -> Preview:
        """Return all levels and who would go next, for the disk or for one category, and why."""
        moment, disk = now or await self.db.now(), await self._disk_level()
        categories = self.store.places.categories_beside("") if category is None else (category,)
        async with self.db.read_only() as session:
            return await preview(session, disk, categories, limit=limit, now=moment)

    async def _relieve(self, scope: Scope, occasion: _Occasion) -> Outcome | None:
        async with self._turns[scope.category]:
            goal = await self._find_goal(scope)
            wanted_bytes = 0 if goal is None else await self._missing(goal)
            if goal is None or wanted_bytes <= 0:
                self.observe_relief(Outcome(scope))
                return None
            return await self._run(goal, wanted_bytes, occasion)

    async def _find_goal(self, scope: Scope) -> Goal | None:
        """Return where a scope under pressure has to arrive."""
        if scope.category is None:
            disk = await self._disk_level()
            return DiskGoal(self.store, disk.target_free_bytes) if disk.under_pressure else None
        level = await self._read_level(scope.category)
        return CategoryGoal(scope.category, level.low_water_bytes) if level.under_pressure else None

    async def _run(self, goal: Goal, wanted_bytes: int, occasion: _Occasion) -> Outcome | None:
        """Relieve one scope, and remember it as a sweep; None when another process answers this tick."""
        outcome = Outcome(goal.scope, wanted_bytes, relieved=False)
        if not self.evicts:
            self._tell(outcome)
            return outcome
        await self.clock.check()  # a clock that jumped ends holds; distrust of it is a pause, which batches obey
        report = SweepReport(id=uuid7(), dry_run=False, started_at=occasion.now, categories=goal.categories)
        relief = await self._begin(goal, occasion, report, outcome)
        if relief is None:
            return None
        try:
            await Evictor(self.db, self.store, self.deleter).relieve(relief)
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
    async def _begin(self, goal: Goal, occasion: _Occasion, report: SweepReport, outcome: Outcome) -> Relief | None:
        async with self.db.transaction() as session:
            policy = await require_policy(session)
            report.policy_version, outcome.sweep_id = policy.version, report.id
            if not await records.add_sweep(session, report, occasion.request(goal)):
                return None
        order = Order(
            now=occasion.now,
            requested_by=occasion.requested_by,
            sweep_id=report.id,
            policy_version=policy.version,
            reason=f"pressure on {goal.scope.name}",
        )
        return Relief(goal, policy, order, report, outcome)

    async def _close(self, report: SweepReport) -> None:
        try:
            report.ended_at = await self.db.now()
            async with self.db.transaction() as session:
                await records.mark_ended(session, report)
        except MediaAnalysisError as error:
            log.warning("sweep.left_open", sweep_id=str(report.id), reason=error.code)
        self.observe_sweep(report)

    def _tell(self, outcome: Outcome) -> None:
        self.observe_relief(outcome)
        if not outcome.relieved:
            log.warning("pressure.unrelieved", **outcome.document())
        elif outcome.files:
            log.warning("pressure.evicted", **outcome.document())

    async def _could_make_room(self, level: CategoryLevel, needed_bytes: int, now: datetime) -> bool:
        quota_bytes = level.rules.quota_bytes
        if not self.evicts or (quota_bytes is not None and needed_bytes > quota_bytes):
            return False
        return await self._could_free((level.category,), level.missing_bytes(needed_bytes), now)

    async def _could_free(self, categories: Sequence[Category], enough_bytes: int, now: datetime) -> bool:
        async with self.db.read_only() as session:
            return await could_free(session, categories, await require_policy(session), enough_bytes, now=now)

    async def _quota_reached(self, level: CategoryLevel, needed_bytes: int, now: datetime) -> QuotaReached:
        quota_bytes, missing_bytes = level.rules.quota_bytes or 0, level.missing_bytes(needed_bytes)
        frees_at, trash = None, self.deleter.strategy.sweeps
        if needed_bytes <= quota_bytes:
            async with self.db.read_only() as session:
                frees_at = await find_space_freed(session, level.category, missing_bytes, now=now, trash=trash)
        self._tell(Outcome(Scope(level.category), missing_bytes, relieved=False))
        return QuotaReached(
            level.category.value,
            quota_bytes=quota_bytes,
            used_bytes=level.used_bytes,
            needed_bytes=needed_bytes,
            missing_bytes=missing_bytes,
            space_frees_at=frees_at,
        )

    async def _missing(self, goal: Goal) -> int:
        async with self.db.read_only() as session:
            return await goal.missing(session)

    async def _read_level(self, category: Category) -> CategoryLevel:
        async with self.db.read_only() as session:
            return await get_level(session, category)

    async def _disk_level(self, key: str = "") -> DiskLevel:
        return DiskLevel(await self.store.capacity(key), self.marks)

    async def _upload(self) -> _Occasion:
        return _Occasion(trigger=SweepTrigger.UPLOAD, requested_by="upload", now=await self.db.now())
