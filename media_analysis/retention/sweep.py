"""The sweep: deletes what is due, in batches, until nothing is left or its budget is spent."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.due import DuePosition, count_due
from media_analysis.deletion.outbox import sum_unfinished
from media_analysis.deletion.tombstones import FilesByRule, Order
from media_analysis.errors import DeletionPaused, MediaAnalysisError, SlotTaken, SweepNotFound
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import require_policy
from media_analysis.retention import records
from media_analysis.retention.claiming import ClaimedBatch, Claimer
from media_analysis.retention.forecast.days import fold_due_days
from media_analysis.retention.guard.breaker import Breaker
from media_analysis.retention.models import Sweep, SweepStatus
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.retention.rehearsal import rehearse
from media_analysis.retention.run_expiry import RunExpiry
from media_analysis.retention.sweep_progress import Observe, SweepOptions, SweepProgress
from media_analysis.storage.category import Category

log = structlog.get_logger()


@dataclass(frozen=True)
class SweepService:
    """Runs sweeps and remembers each of them; `observe` hears of every finished one."""

    db: Database
    deleter: Deleter
    breaker: Breaker
    runs: RunExpiry
    options: SweepOptions
    observe: Observe

    async def run(
        self, request: SweepRequest, *, now: datetime | None = None, progress: Observe = lambda _: None
    ) -> SweepReport:
        """Sweep once and return what happened.

        Raises:
            SlotTaken: another process answers this tick of the schedule.
            MarkerMismatch, DatabaseUnavailable: it could not begin, or broke off; the outbox has what was claimed.

        """
        now = now or await self.db.now()
        report = SweepReport(id=uuid7(), dry_run=request.dry_run, started_at=now, categories=list(request.categories))
        async with self.db.transaction() as session:
            policy = await require_policy(session)
            report.policy_version = policy.version
            if not await records.add_sweep(session, report, request):
                raise SlotTaken(request.kind)
        try:
            if request.dry_run:
                await self._rehearse(request, report, policy)
            else:
                await self._sweep(request, report, policy, progress)
        except MediaAnalysisError as error:
            report.status, report.error = SweepStatus.FAILED, error.code
            raise
        except BaseException as error:
            report.status, report.error = SweepStatus.FAILED, type(error).__name__
            raise
        finally:
            await self._close(report)
        return report

    async def count_due(self, request: SweepRequest) -> int:
        """Return how many files fall due by now, for a progress bar."""
        async with self.db.read_only() as session:
            return await count_due(session, request.categories)

    async def list(self, *, limit: int) -> Sequence[Sweep]:
        """Return the latest sweeps, newest first."""
        async with self.db.read_only() as session:
            return await records.list_sweeps(session, limit=limit)

    async def get(self, sweep_id: UUID) -> Sweep:
        """Return one sweep.

        Raises:
            SweepNotFound: there is none of this id.

        """
        async with self.db.read_only() as session:
            found = await records.get_sweep(session, sweep_id)
        if found is None:
            raise SweepNotFound(sweep_id)
        return found

    async def _close(self, report: SweepReport) -> None:
        try:
            report.ended_at = await self.db.now()
            async with self.db.transaction() as session:
                await records.mark_ended(session, report)
        except MediaAnalysisError as error:
            log.warning("sweep.left_open", sweep_id=str(report.id), reason=error.code)
        self.observe(report)
        log.info("sweep.ended", sweep_id=str(report.id), **report.facts())

    async def _sweep(self, request: SweepRequest, report: SweepReport, policy: Policy, progress: Observe) -> None:
        order = Order(
            now=report.started_at,
            actor=request.actor,
            sweep_id=report.id,
            policy_version=policy.version,
        )
        run = SweepProgress(report, request, order, policy, self.options, progress)
        await self._finish_earlier(run)
        for category in request.categories:
            await self._drain_unless_paused(category, run)
            await self._take_runs(category, run)
        async with self.db.transaction() as session:
            await fold_due_days(session)
        if report.paused:
            report.status = SweepStatus.PAUSED
        else:
            report.status = SweepStatus.BUDGET_SPENT if run.spent else SweepStatus.COMPLETED

    async def _finish_earlier(self, run: SweepProgress) -> None:
        after = None
        while run.may_go_on() and (claim := await self.deleter.claim_unfinished(now=run.order.now, after=after)):
            run.count(await self.deleter.purge(claim))
            after = claim.due_at

    async def _drain_unless_paused(self, category: Category, run: SweepProgress) -> None:
        # Uploads that were given up hold nothing anybody was promised; they are cleared whatever the share.
        reason = None if run.request.only_pending else await self.breaker.trip(category, now=run.order.now)
        if reason is None:
            try:
                await self._end_archived(category, run)
                await self._drain(category, run)
            except DeletionPaused as paused:
                reason = paused.reason
        if reason is not None:
            run.report.paused[category] = reason
            log.warning("sweep.paused", category=category.value, reason=reason)

    async def _end_archived(self, category: Category, run: SweepProgress) -> None:
        """End archived runs before the sweep comes to their archives: a run and its archive go together."""
        if category is not Category.ARCHIVES or run.request.only_pending or not run.may_go_on():
            return
        ended = await self.runs.end_archived(run.order)
        run.report.jobs += ended.runs
        run.report.of(category).add_trashed(*ended.trashed)
        for purge_id in ended.purges:
            if (purged := await self.deleter.purge_entry(purge_id)) is not None:
                run.count(purged)

    async def _take_runs(self, category: Category, run: SweepProgress) -> None:
        if run.request.only_pending or category in run.report.paused or not run.may_go_on():
            return
        gone = await self.runs.take(category, run.order, run.policy.of(category))
        run.report.results += gone.results
        run.report.jobs += gone.jobs

    async def _drain(self, category: Category, run: SweepProgress) -> None:
        """Take one batch alone, and if it was a whole one, the rest with the other workers: mostly nothing is due."""
        cursor = _Cursor()
        first = await self._claim(category, run, None) if run.may_go_on() else None
        if first is None:
            return
        cursor.advance(first.last)
        try:
            async with asyncio.TaskGroup() as workers:
                workers.create_task(self._work(category, run, cursor, first))
                for _ in range(self.options.workers - 1 if first.is_full else 0):
                    workers.create_task(self._work(category, run, cursor))
        except* MediaAnalysisError as errors:
            raise _first(errors) from errors

    async def _work(
        self, category: Category, run: SweepProgress, cursor: "_Cursor", first: ClaimedBatch | None = None
    ) -> None:
        if first is not None:
            await self._purge(category, run, first)
        while run.may_go_on():
            after = cursor.position
            batch = await self._claim(category, run, after)
            if batch is None:
                if after is None:
                    return
                cursor.rewind()
                continue
            cursor.advance(batch.last)
            await self._purge(category, run, batch)

    async def _purge(self, category: Category, run: SweepProgress, batch: ClaimedBatch) -> None:
        run.count_trashed(category, batch.trashed)
        for claim in batch.claims:
            run.count(await self.deleter.purge(claim))

    async def _claim(self, category: Category, run: SweepProgress, after: DuePosition | None) -> ClaimedBatch | None:
        return await Claimer(self.db, self.deleter).claim(
            category,
            run.order,
            rules=run.policy.of(category),
            after=after,
            limit=run.options.batch_size,
            only_pending=run.request.only_pending,
        )

    async def _rehearse(self, request: SweepRequest, report: SweepReport, policy: Policy) -> None:
        """Count what a real run would take, in a transaction that cannot write."""
        now, strategy = report.started_at, self.deleter.strategy
        async with self.db.read_only() as session:
            for category, files, size_bytes in await sum_unfinished(session, now=now):
                report.of(category).add(files, size_bytes)
            open_to_it: list[Category] = []
            for category in request.categories:
                reason = None if request.only_pending else await self.breaker.judge(session, category, now=now)
                if reason is None:
                    open_to_it.append(category)
                else:
                    report.paused[category] = reason
            async for category, decided in rehearse(
                session, open_to_it, policy, now=now, strategy=strategy, only_pending=request.only_pending
            ):
                report.of(category).add(*_sums(decided.deleted))
                report.of(category).add_trashed(*_sums(decided.trashed))
            for category in open_to_it if not request.only_pending else ():
                gone = await self.runs.count(session, category, policy.of(category), now=now)
                report.results += gone.results
                report.jobs += gone.jobs
        report.status = SweepStatus.PAUSED if report.paused else SweepStatus.COMPLETED


class _Cursor:
    """Where the next batch begins; moved on by whichever worker claimed last."""

    def __init__(self) -> None:
        self.position: DuePosition | None = None

    def advance(self, last: DuePosition) -> None:
        if self.position is None or (last.due_at, last.id) > (self.position.due_at, self.position.id):
            self.position = last

    def rewind(self) -> None:
        """Look once more from the beginning: a batch that another process rolled back is due again."""
        self.position = None


def _sums(files_by_rule: FilesByRule) -> tuple[int, int]:
    files = [file for files in files_by_rule.values() for file in files]
    return len(files), sum(file.size_bytes for file in files)


def _first(errors: ExceptionGroup[MediaAnalysisError]) -> MediaAnalysisError:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, MediaAnalysisError):
        raise TypeError(type(found).__name__)
    return found
