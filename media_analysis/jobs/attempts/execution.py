"""One run of a job, from its claim to its last status: decode elsewhere, store here, show all at once."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple, Self, assert_never

import structlog

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import (
    Assignment,
    Message,
    ProductMade,
    ProgressMade,
    ResultMade,
    WarningGiven,
)
from media_analysis.analysis.child.running import run_task
from media_analysis.deletion.discarding import DiscardService
from media_analysis.errors import FenceLost, MediaAnalysisError, QuotaExceeded, TransactionConflict, Unavailable
from media_analysis.files.upload.service import UploadService
from media_analysis.jobs.attempts.attempt import Attempt, Failure, NewResult
from media_analysis.jobs.attempts.products import ProductStaging
from media_analysis.jobs.attempts.service import AttemptService
from media_analysis.jobs.attempts.sources import BLAMING, as_tasks_see_them, require_sources
from media_analysis.jobs.models import JobStatus
from media_analysis.media.options import Limits
from media_analysis.settings.worker import WorkerSettings
from media_analysis.storage.store import ObjectStore

MAX_DETAIL: Final = 2_000
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptOptions:
    """How runs are confined and how often what may pass is tried again."""

    confinement: Confinement = field(default_factory=Confinement)
    limits: Limits = field(default_factory=Limits)
    first_delay: timedelta = timedelta(seconds=5)
    """Before the second attempt; each further one waits twice as long."""
    longest_delay: timedelta = timedelta(minutes=10)

    @classmethod
    def of(cls, worker: WorkerSettings) -> Self:
        """Return what the settings say."""
        limits = Limits(
            max_pixels=worker.max_pixels,
            max_duration_seconds=worker.max_duration.total_seconds(),
            max_product_bytes=worker.max_product_bytes,
            threads=worker.threads,
        )
        return cls(
            confinement=Confinement(seconds=worker.timeout_seconds, memory_bytes=worker.memory_bytes),
            limits=limits,
            first_delay=timedelta(seconds=worker.retry_seconds),
        )

    def delay(self, attempt: int) -> timedelta:
        """Return how long to wait after so many attempts."""
        return min(self.first_delay * 2.0 ** min(attempt - 1, 30), self.longest_delay)


class TaskOutcome(NamedTuple):
    """What a task made: results, and so many products, which are staged."""

    results: Sequence[NewResult]
    products: int


Outcome = JobStatus | None
"""What an attempt made of its job, `PENDING` where another follows; None where others decide."""


@dataclass(frozen=True)
class Execution:
    """Runs jobs one at a time for whoever asks; it owns no state between runs."""

    runs: AttemptService
    uploads: UploadService
    discards: DiscardService
    store: ObjectStore
    options: AttemptOptions
    fork_server: ForkServer

    async def run(self, run: Attempt, *, analysed: Callable[[], None] = lambda: None) -> Outcome:
        """Bring a run to its end; cancelled, it hands the job back for another worker.

        `analysed` is called when nothing of it runs any more, and only its end has to be written.

        Raises:
            DatabaseUnavailable: nobody can tell how it went; whoever takes it over when its lease ends starts anew.

        """
        try:
            return await self._run(run, analysed)
        except asyncio.CancelledError:
            await self.hand_back(run)
            raise

    async def hand_back(self, run: Attempt, *, begun: bool = True) -> None:
        """Let the job wait for another worker, as if this one had not claimed it."""
        with suppress(FenceLost):
            await self.runs.hand_back(run.job_id, fence=run.fence, failure=None, delay=timedelta())
        if begun:
            await self.discards.discard(run.job_id, before_fence=run.fence + 1)

    async def _run(self, run: Attempt, analysed: Callable[[], None]) -> Outcome:
        try:
            results, products = await self._while_leased(run)
            analysed()
            ended = await self.runs.complete(run.job_id, fence=run.fence, results=results, products=products)
        except FenceLost:
            log.info("run.superseded", job_id=str(run.job_id), fence=run.fence)
            await self.discards.discard(run.job_id, before_fence=run.fence + 1)
            return None
        except Exception as error:  # noqa: BLE001 - whatever a run says ends this job only
            return await self._end_badly(run, error)
        if ended.has_leftovers:  # temp files end with their job
            await self.discards.discard(run.job_id)
        for category in ended.stored:
            await self.uploads.room.notice(category)
        log.info("job.completed", job_id=str(run.job_id), kind=run.kind, attempt=run.attempt)
        return JobStatus.COMPLETED

    async def _end_badly(self, run: Attempt, error: Exception) -> Outcome:
        failure = failure_of(error)
        log.warning("job.run_failed", job_id=str(run.job_id), code=failure.code, attempt=run.attempt, error=str(error))
        contended = isinstance(error, TransactionConflict)  # no attempt is lost for it
        again = contended or (isinstance(error, Unavailable | QuotaExceeded) and run.attempt < self.runs.max_attempts)
        delay = self.options.delay(run.attempt)
        try:
            if again:
                told = None if contended else failure
                await self.runs.hand_back(run.job_id, fence=run.fence, failure=told, delay=delay)
            else:
                await self.runs.fail(run.job_id, fence=run.fence, failure=failure)
            ended: Outcome = JobStatus.PENDING if again else JobStatus.FAILED
        except FenceLost:
            ended = None
        await self.discards.discard(run.job_id, before_fence=run.fence + 1)
        return ended

    async def _while_leased(self, run: Attempt) -> TaskOutcome:
        """Analyse for as long as the run is this worker's."""
        analysing = asyncio.create_task(self._analyse_whole(run))
        renewing = asyncio.create_task(self._renew(run))
        try:
            await asyncio.wait({analysing, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if analysing.done():
                return analysing.result()
            await renewing
            raise FenceLost(run.job_id)
        finally:
            for task in (analysing, renewing):
                task.cancel()
            await asyncio.wait({analysing, renewing})

    async def _renew(self, run: Attempt) -> None:
        while True:
            await asyncio.sleep(run.lease.total_seconds() / 3)
            with suppress(Unavailable):  # another try comes before the lease ends
                await self.runs.renew(run.job_id, fence=run.fence, lease=run.lease)

    async def _analyse_whole(self, run: Attempt) -> TaskOutcome:
        """Analyse what the store holds as it was stored; a failure is the sources' only if they still are."""
        await require_sources(self.runs.db, self.store, run.sources, read=False)
        try:
            return await self._analyse(run)
        except BLAMING:
            await require_sources(self.runs.db, self.store, run.sources, read=True)
            raise

    async def _analyse(self, run: Attempt) -> TaskOutcome:
        results: list[NewResult] = []
        async with ProductStaging(self.uploads, run) as products, as_tasks_see_them(self.store, run.sources) as sources:
            task = Assignment(kind=run.kind, sources=sources, parameters=run.parameters, limits=self.options.limits)
            confinement, fork_server = self.options.confinement, self.fork_server
            async with run_task(task, confinement=confinement, fork_server=fork_server) as messages:
                async for message in messages:
                    await self._take(run, message, products, results)
                await products.finish()
        return TaskOutcome(results, products.count)

    async def _take(self, run: Attempt, message: Message, products: ProductStaging, results: list[NewResult]) -> None:
        match message:
            case ProductMade():
                await products.add(message)
            case ResultMade():
                about = None if message.source is None else run.sources[message.source].file_id
                results.append(NewResult(kind=message.kind, data=message.document, file_id=about))
            case ProgressMade():
                await self.runs.tell_progress(
                    run.job_id,
                    fence=run.fence,
                    share=message.share,
                    stage=message.stage,
                    done=message.done,
                    total=message.total,
                )
            case WarningGiven():
                await self.runs.warn(run.job_id, fence=run.fence, code=message.code, detail=message.detail)
            case _:
                assert_never(message)


def failure_of(error: Exception) -> Failure:
    """Return what a client may be told of an error: ours in full, of others that it happened."""
    if isinstance(error, MediaAnalysisError):
        return Failure(code=error.code, detail=str(error.args[0] if error.args else error.code)[:MAX_DETAIL])
    return Failure(code="internal_error", detail="the analysis failed for a reason that is in the service's log")
