"""Applying a plan: it takes exactly the files that are still what they were, and tells of those that are not."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.deletion.decisions import decide_each
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.pauses import require_running
from media_analysis.deletion.tombstones import Claim, Order
from media_analysis.errors import (
    DeletionPaused,
    MediaAnalysisError,
    PlanApplied,
    PlanExpired,
    PlanHashDiffers,
    PlanNotFound,
)
from media_analysis.failpoints import failpoint
from media_analysis.policy.decision import CategoryRules, Keep, Policy, decide
from media_analysis.policy.in_force import require_policy
from media_analysis.retention import records
from media_analysis.retention.claiming import take
from media_analysis.retention.models import Plan, SweepStatus, SweepTrigger
from media_analysis.retention.plans import queries as plan_queries
from media_analysis.retention.plans.queries import START, PlannedFile
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

BATCH: Final = 2_000
MOST_DRIFT: Final = 1_000
"""How many files that drifted are told by name; all of them are counted."""
log = structlog.get_logger()


class DriftReason(StrEnum):
    """Why a file of a plan was left alone."""

    GONE = "gone"
    """Deleted since, or in the trash."""
    CHANGED = "changed"
    """Extended, restored or otherwise not the version that was planned."""
    HELD = "held"
    KEPT = "kept"
    """The same version, but it may not go now."""


@dataclass
class _Application:
    """A plan being applied."""

    plan_id: UUID
    report: SweepReport
    order: Order
    policy: Policy
    drift: list[dict[str, str]] = field(default_factory=list)
    drifted: int = 0

    def note(self, drift: Mapping[UUID, DriftReason]) -> None:
        self.drifted += len(drift)
        told = list(drift.items())[: MOST_DRIFT - len(self.drift)]
        self.drift += [{"file_id": str(file_id), "reason": reason.value} for file_id, reason in told]
        self.report.details = {"drift": self.drift, "drift_files": self.drifted}


@dataclass(frozen=True)
class ApplyService:
    """Applies each plan once; `observe` hears of every sweep that applied one."""

    db: Database
    deleter: Deleter
    observe: Callable[[SweepReport], None]
    batch_size: int = BATCH

    async def apply(self, plan_id: UUID, *, digest: str, actor: str, now: datetime | None = None) -> SweepReport:
        """Take the files of a plan that are still what they were, and tell in `details` which ones drifted.

        A plan is spent before its first file goes. One that breaks off stays applied in part, as its sweep says,
        and is not applied again: what is left of it is simply due for the next sweep.

        Raises:
            PlanNotFound, PlanApplied, PlanExpired, PlanHashDiffers: it is not applied.
            DeletionPaused: somebody has to resume deletion first; the plan is not spent.
            MarkerMismatch, DatabaseUnavailable: it could not begin, or broke off; the outbox has what was claimed.

        """
        await self.deleter.store.require_marker()
        applied = await self._begin(plan_id, digest=digest, actor=actor, now=now or await self.db.now())
        async with self._recorded(applied.report):
            applied.note({})
            for category in applied.report.categories:
                try:
                    await self._take_all(category, applied)
                except DeletionPaused as paused:
                    applied.report.paused[category] = paused.reason
            applied.report.status = SweepStatus.PAUSED if applied.report.paused else SweepStatus.COMPLETED
        return applied.report

    @retried
    async def _begin(self, plan_id: UUID, *, digest: str, actor: str, now: datetime) -> _Application:
        async with self.db.transaction() as session:
            plan = await plan_queries.lock_plan(session, plan_id)
            if plan is None:
                raise PlanNotFound(plan_id)
            _require_applicable(plan, digest=digest, now=now)
            categories = [category for category in Category if category.value in plan.categories]
            for category in categories:
                await require_running(session, category)
            policy = await require_policy(session)
            request = SweepRequest(categories=categories, trigger=SweepTrigger.PLAN, actor=actor)
            report = SweepReport(
                id=uuid7(),
                dry_run=False,
                started_at=now,
                categories=categories,
                policy_version=policy.version,
                plan_id=plan_id,
            )
            await records.add_sweep(session, report, request)
            plan.applied_at, plan.sweep_id = now, report.id
            details = {"plan_id": str(plan_id), "hash": plan.hash}
            swept = Act(actor=actor, action=Action.SWEPT, sweep_id=report.id, details=details)
            await add_events(session, [swept])
            await session.flush()
        failpoint("plan.begun")  # spent, and nothing has gone yet
        order = Order(now=now, actor=actor, sweep_id=report.id, policy_version=policy.version)
        return _Application(plan_id, report, order, policy)

    async def _take_all(self, category: Category, applied: _Application) -> None:
        after = START
        while True:
            async with self.db.transaction() as session:
                planned = await plan_queries.list_files(
                    session, applied.plan_id, after=after, limit=self.batch_size, category=category
                )
                if not planned:
                    return
                await require_running(session, category)
                claims, trashed, drift = await self._take(session, category, planned, applied)
                failpoint("plan.claiming")
            failpoint("plan.claimed")
            after = planned[-1].id
            applied.note(drift)
            tally = applied.report.of(category)
            tally.add_trashed(len(trashed), sum(file.size_bytes for file in trashed))
            for claim in claims:
                purged = await self.deleter.purge(claim)
                tally.add(len(purged.gone), sum(file.size_bytes for file in purged.gone))
                tally.errors += len(purged.failed)

    async def _take(
        self, session: AsyncSession, category: Category, planned: Sequence[PlannedFile], applied: _Application
    ) -> tuple[Sequence[Claim], Sequence[DueFile], Mapping[UUID, DriftReason]]:
        found = await plan_queries.lock_files(session, [file.id for file in planned])
        now, rules = applied.order.now, applied.policy.of(category)
        drift = {file.id: reason for file in planned if (reason := _drift(file, found.get(file.id), rules, now))}
        same = [facts for file_id, (_, facts) in found.items() if file_id not in drift]
        trash = self.deleter.strategy.kept_when_swept(category) is not None
        decided = decide_each(same, rules, now, trash=trash)
        claims = await take(session, category, decided, applied.order, self.deleter.strategy)
        return claims, [file for files in decided.trashed.values() for file in files], drift

    @asynccontextmanager
    async def _recorded(self, report: SweepReport) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            report.status = SweepStatus.FAILED
            report.error = error.code if isinstance(error, MediaAnalysisError) else type(error).__name__
            raise
        finally:
            try:
                report.ended_at = await self.db.now()
                async with self.db.transaction() as session:
                    await records.mark_ended(session, report)
            except MediaAnalysisError as error:
                log.warning("sweep.left_open", sweep_id=str(report.id), reason=error.code)
            self.observe(report)
            log.info("sweep.ended", sweep_id=str(report.id), plan_id=str(report.plan_id), **report.facts())


def _require_applicable(plan: Plan, *, digest: str, now: datetime) -> None:
    if plan.applied_at is not None:
        raise PlanApplied(plan.id, applied_at=plan.applied_at, sweep_id=plan.sweep_id)
    if plan.expires_at <= now:
        raise PlanExpired(plan.id, expires_at=plan.expires_at)
    if plan.hash != digest:
        raise PlanHashDiffers(plan.id)


def _drift(
    planned: PlannedFile, found: tuple[int, DueFile] | None, rules: CategoryRules, now: datetime
) -> DriftReason | None:
    """Return why a planned file is left alone, None if it goes."""
    if found is None:
        return DriftReason.GONE
    version, facts = found
    decision = decide(facts, rules, now)
    if isinstance(decision, Keep) and decision.rule is RetentionRule.HOLD:
        return DriftReason.HELD
    if (version, facts.size_bytes) != (planned.version, planned.size_bytes):
        return DriftReason.GONE if facts.state == FileState.TRASHED else DriftReason.CHANGED
    return DriftReason.KEPT if isinstance(decision, Keep) else None
