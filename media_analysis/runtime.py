"""Opens everything a process works with, once, and closes it in reverse."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from uuid import UUID

from uuid_utils.compat import uuid7

from media_analysis.analysis.child.nursery import Nursery
from media_analysis.analysis.control import ControlService
from media_analysis.analysis.execution import Execution
from media_analysis.analysis.external import ExternalService
from media_analysis.analysis.kinds import Kind, load_kinds
from media_analysis.analysis.reaping import ReapService
from media_analysis.analysis.removal import RemovalService
from media_analysis.analysis.runs import RunService
from media_analysis.archive.figures import FigureService
from media_analysis.archive.suite import Archives
from media_analysis.db.database import Database, open_database
from media_analysis.db.health import require_safe_settings
from media_analysis.db.instance import ensure_instance
from media_analysis.db.migrations import require_schema
from media_analysis.db.pooling import require_own_sessions
from media_analysis.files.opening import open_store
from media_analysis.files.products import ProductService
from media_analysis.files.registrar import Registrar
from media_analysis.files.service import FileService
from media_analysis.files.uploads import UploadService
from media_analysis.integrity.scrub import ScrubService
from media_analysis.jobs.results import ResultService
from media_analysis.jobs.service import JobService
from media_analysis.jobs.watching import WatchService
from media_analysis.records.quarantine import QuarantineService
from media_analysis.records.service import RecordService
from media_analysis.retention.deletion import Deleter
from media_analysis.retention.discarding import DiscardService
from media_analysis.retention.explain.service import ExplainService
from media_analysis.retention.file_deletion import FileDeletionService
from media_analysis.retention.forecast.service import ForecastService
from media_analysis.retention.guard.breaker import Breaker
from media_analysis.retention.guard.clock import ClockService
from media_analysis.retention.guard.evictions import EvictionBreaker
from media_analysis.retention.guard.pauses import PauseService
from media_analysis.retention.holds import HoldService
from media_analysis.retention.notices.alerts import AlertService
from media_analysis.retention.notices.service import NoticeService
from media_analysis.retention.notices.warnings import WarningService
from media_analysis.retention.plans.applying import ApplyService
from media_analysis.retention.plans.service import PlanService
from media_analysis.retention.pressure.changes import adopt_disk_marks, adopt_policy
from media_analysis.retention.pressure.service import PressureService
from media_analysis.retention.preview import PolicyService
from media_analysis.retention.redating import RedatingService
from media_analysis.retention.removal.expiry import RunExpiry
from media_analysis.retention.restoring import RestoreService
from media_analysis.retention.result_expiry import ResultExpiryService
from media_analysis.retention.status import StatusService
from media_analysis.retention.sweep import SweepService
from media_analysis.retention.trail import TrailService
from media_analysis.sessions.admission import AdmissionService
from media_analysis.sessions.service import SessionService
from media_analysis.sessions.throttle import Throttle
from media_analysis.settings import Settings, options
from media_analysis.settings.policy import configured_policy
from media_analysis.storage.disk import DiskStore
from media_analysis.telemetry.metrics import Metrics


@dataclass(frozen=True)
class Runtime:
    """The services of one process, each made when it is first asked for."""

    settings: Settings
    db: Database
    store: DiskStore
    registrar: Registrar
    nursery: Nursery
    metrics: Metrics

    @cached_property
    def files(self) -> FileService:
        return FileService(self.db, self.store)

    @cached_property
    def uploads(self) -> UploadService:
        limits = options.upload_limits(self.settings)
        return UploadService(self.db, self.store, self.registrar, self.pressure, limits, self.deleter.abandon)

    @cached_property
    def sessions(self) -> SessionService:
        return SessionService(self.db)

    @cached_property
    def admission(self) -> AdmissionService:
        throttle = Throttle(self.metrics.requests.observe_wrong_token)
        return AdmissionService(self.sessions, options.admission_limits(self.settings), throttle)

    @cached_property
    def jobs(self) -> JobService:
        return JobService(self.db)

    @cached_property
    def watches(self) -> WatchService:
        return WatchService(self.db)

    @cached_property
    def runs(self) -> RunService:
        return options.run_service(self.settings, self.db)

    @cached_property
    def discards(self) -> DiscardService:
        return DiscardService(self.db, self.deleter)

    @cached_property
    def control(self) -> ControlService:
        return ControlService(self.db, self.discards, options.waiting_limits(self.settings))

    @cached_property
    def reaping(self) -> ReapService:
        return ReapService(self.db, self.discards, self.settings.worker.max_attempts)

    @cached_property
    def archives(self) -> Archives:
        shared = (self.db, self.store, self.registrar, self.deleter, self.discards, self.restoring, self.pressure)
        return Archives(*shared, options.archive_options(self.settings), self.metrics.archives.observe)

    @cached_property
    def removals(self) -> RemovalService:
        return RemovalService(self.db, self.deleter)

    @cached_property
    def execution(self) -> Execution:
        chosen = options.run_options(self.settings)
        return Execution(self.runs, self.uploads, self.discards, self.store, chosen, self.nursery)

    @cached_property
    def external(self) -> ExternalService:
        shared = (self.db, self.store, self.runs, self.uploads, self.discards)
        return ExternalService(*shared, options.run_options(self.settings))

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        return load_kinds()

    @cached_property
    def products(self) -> ProductService:
        return ProductService(self.db)

    @cached_property
    def results(self) -> ResultService:
        return ResultService(self.db)

    @cached_property
    def result_expiry(self) -> ResultExpiryService:
        return ResultExpiryService(self.db)

    @cached_property
    def clock(self) -> ClockService:
        return ClockService(self.db, options.clock_limits(self.settings), self.metrics.observe_trip)

    @cached_property
    def deleter(self) -> Deleter:
        return Deleter(self.db, self.store, self.settings.storage.cleanup.max_attempts, options.strategy(self.settings))

    @cached_property
    def file_deletions(self) -> FileDeletionService:
        return FileDeletionService(self.db, self.deleter)

    @cached_property
    def breaker(self) -> Breaker:
        return Breaker(self.db, self.clock, options.breaker_limits(self.settings), self.metrics.observe_trip)

    @cached_property
    def sweeps(self) -> SweepService:
        runs, limits = RunExpiry(self.db, self.deleter.strategy), options.sweep_options(self.settings)
        return SweepService(self.db, self.deleter, self.breaker, runs, limits, self.metrics.observe_sweep)

    @cached_property
    def pressure(self) -> PressureService:
        return PressureService(
            db=self.db,
            store=self.store,
            deleter=self.deleter,
            clock=self.clock,
            breaker=EvictionBreaker(self.db, options.eviction_share(self.settings), self.metrics.observe_trip),
            marks=options.disk_marks(self.settings),
            observe_sweep=self.metrics.observe_sweep,
            observe_relief=self.metrics.observe_relief,
            evicts=options.evicts(self.settings) is None,
        )

    @cached_property
    def plans(self) -> PlanService:
        return PlanService(self.db, self.settings.storage.cleanup.plan_lifetime)

    @cached_property
    def applying(self) -> ApplyService:
        return ApplyService(self.db, self.deleter, self.metrics.observe_sweep)

    @cached_property
    def restoring(self) -> RestoreService:
        return RestoreService(self.db, otherwise=self.settings.deletion.trash_retention)

    @cached_property
    def holds(self) -> HoldService:
        return HoldService(self.db)

    @cached_property
    def pauses(self) -> PauseService:
        return PauseService(self.db)

    @cached_property
    def policies(self) -> PolicyService:
        return PolicyService(self.db, self.breaker.limits, self.pressure.breaker)

    @cached_property
    def redating(self) -> RedatingService:
        return RedatingService(db=self.db, policies=self.policies)

    @cached_property
    def status(self) -> StatusService:
        return StatusService(self.db, self.store, *options.status_terms(self.settings))

    @cached_property
    def forecast(self) -> ForecastService:
        return ForecastService(self.db, self.store, self.pressure.marks.reserve_bytes, self.deleter.strategy)

    @cached_property
    def explanations(self) -> ExplainService:
        terms, off = options.archival_terms(self.settings), options.evicts(self.settings)
        return ExplainService(self.db, self.deleter.strategy, options.next_tick(self.settings), terms, off)

    @cached_property
    def trail(self) -> TrailService:
        return TrailService(self.db)

    @cached_property
    def records(self) -> RecordService:
        quarantine = QuarantineService(self.db, self.store, *options.quarantine_terms(self.settings))
        return RecordService(self.db, self.clock, options.record_lives(self.settings), quarantine)

    @cached_property
    def scrub(self) -> ScrubService:
        return ScrubService(self.db, self.store, *options.scrub_terms(self.settings))

    @cached_property
    def alerts(self) -> AlertService:
        return AlertService(self.db, self.status, FigureService.of(self.archives))

    @cached_property
    def notices(self) -> NoticeService:
        return NoticeService(self.db, options.webhook(self.settings))

    @cached_property
    def warnings(self) -> WarningService:
        return WarningService(self.db, self.settings.storage.monitoring.warn_before)


@asynccontextmanager
async def open_runtime(settings: Settings, url: str, *, serves: bool = True) -> AsyncIterator[Runtime]:
    """Open the services over a migrated database; only if it `serves` is a changed policy adopted, a store created.

    Raises:
        SchemaBehind, UnsafeDatabase: the database may not be served as it is.
        MarkerMismatch, NoDataDirectory: the store is another database's, or not there.

    """
    async with (
        open_database(url, options.database_options(settings)) as db,
        aclosing(Nursery()) as nursery,
        open_services(settings, db, nursery, serves=serves) as runtime,
    ):
        yield runtime


@asynccontextmanager
async def open_services(
    settings: Settings, db: Database, nursery: Nursery, *, serves: bool = True
) -> AsyncIterator[Runtime]:
    """Open the services as `open_runtime` does, over what is open already and stays so at their end."""
    async with AsyncExitStack() as opened:
        await require_own_sessions(db)
        instance_id = await db.over_conflicts(partial(_adopt, settings, db, serves=serves))
        store = await open_store(db, settings.places, instance_id, creates=serves)
        opened.callback(store.close)
        if serves:
            await db.over_conflicts(partial(adopt_disk_marks, db, store, options.disk_marks(settings)))
        await db.connect(settings.database.pool_min)
        registrar = Registrar(db, store, settings.storage.upload.lease_seconds)
        opened.push_async_callback(registrar.close)
        metrics = Metrics(served=settings.storage.monitoring.metrics_enabled)
        runtime = Runtime(settings, db, store, registrar, nursery, metrics)
        async with aclosing(runtime.pressure):
            yield runtime


async def _adopt(settings: Settings, db: Database, *, serves: bool) -> UUID:
    async with db.transaction() as session:
        await require_schema(session)
        await require_safe_settings(session)
        instance_id = await ensure_instance(session, uuid7())
        await adopt_policy(session, configured_policy(settings), only_the_first=not serves)
    return instance_id
