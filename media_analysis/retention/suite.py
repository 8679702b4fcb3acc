"""All that keeps files or lets them go, over the collaborators of one process."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

from media_analysis.db.database import Database
from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.strategy import Strategy
from media_analysis.deletion.suite import DeletionServices
from media_analysis.retention.explain.archival import ArchivalTerms
from media_analysis.retention.explain.explanation import NextTick
from media_analysis.retention.explain.service import ExplainService
from media_analysis.retention.file_deletion import FileDeletionService
from media_analysis.retention.forecast.service import ForecastService
from media_analysis.retention.guard.breaker import Breaker, BreakerLimits
from media_analysis.retention.guard.clock import ClockLimits, ClockService
from media_analysis.retention.guard.evictions import EvictionBreaker
from media_analysis.retention.holds import HoldService
from media_analysis.retention.matches.service import MatchDeletionService
from media_analysis.retention.notices.service import NoticeService
from media_analysis.retention.notices.warnings import WarningService
from media_analysis.retention.notices.webhook import AlertWebhook
from media_analysis.retention.plans.applying import ApplyService
from media_analysis.retention.plans.service import PlanService
from media_analysis.retention.pressure.levels import DiskMarks
from media_analysis.retention.pressure.outcome import ReliefOutcome
from media_analysis.retention.pressure.service import PressureService
from media_analysis.retention.preview import PolicyService
from media_analysis.retention.records import SweepReport
from media_analysis.retention.redating import RedatingService
from media_analysis.retention.restoring import RestoreService
from media_analysis.retention.run_expiry import RunExpiry
from media_analysis.retention.status import StatusService
from media_analysis.retention.sweep import SweepService
from media_analysis.retention.sweep_progress import SweepOptions
from media_analysis.retention.trail import TrailService
from media_analysis.settings.cron import cron_trigger
from media_analysis.settings.model import Settings
from media_analysis.settings.storage import CleanupSettings
from media_analysis.storage.store import ObjectStore


class Observer(Protocol):
    """Hears of what retention does."""

    def observe_trip(self, cause: PauseCause) -> None: ...
    def observe_sweep(self, report: SweepReport) -> None: ...
    def observe_relief(self, outcome: ReliefOutcome) -> None: ...


@dataclass(frozen=True)
class RetentionServices:
    """The services of retention, each made when it is first asked for."""

    settings: Settings
    db: Database
    store: ObjectStore
    deletion: DeletionServices
    observer: Observer

    @cached_property
    def clock(self) -> ClockService:
        limits = ClockLimits.of(self.settings.storage.breaker)
        return ClockService(self.db, limits, self.observer.observe_trip)

    @cached_property
    def breaker(self) -> Breaker:
        limits = BreakerLimits.of(self.settings.storage.breaker)
        return Breaker(self.db, self.clock, limits, self.observer.observe_trip)

    @cached_property
    def sweeps(self) -> SweepService:
        runs, options = RunExpiry(self.db, self._strategy), SweepOptions.of(self.settings.storage.cleanup)
        return SweepService(self.db, self.deletion.deleter, self.breaker, runs, options, self.observer.observe_sweep)

    @cached_property
    def file_deletions(self) -> FileDeletionService:
        return FileDeletionService(self.db, self.deletion.deleter)

    @cached_property
    def match_deletions(self) -> MatchDeletionService:
        return MatchDeletionService(self.db, self.deletion.deleter, self.breaker)

    @cached_property
    def trash(self) -> RestoreService:
        return RestoreService(self.db, otherwise=self.settings.deletion.trash_retention)

    @cached_property
    def pressure(self) -> PressureService:
        share = self.settings.storage.breaker.eviction_share_percent
        return PressureService(
            db=self.db,
            store=self.store,
            deleter=self.deletion.deleter,
            clock=self.clock,
            breaker=EvictionBreaker(self.db, share, self.observer.observe_trip),
            marks=DiskMarks.of(self.settings.storage),
            observe_sweep=self.observer.observe_sweep,
            observe_relief=self.observer.observe_relief,
            evicts=self.settings.storage.cleanup.rehearses_because is None,
        )

    @cached_property
    def plans(self) -> PlanService:
        return PlanService(self.db, self.settings.storage.cleanup.plan_lifetime)

    @cached_property
    def applying(self) -> ApplyService:
        return ApplyService(self.db, self.deletion.deleter, self.observer.observe_sweep)

    @cached_property
    def holds(self) -> HoldService:
        return HoldService(self.db)

    @cached_property
    def policies(self) -> PolicyService:
        return PolicyService(self.db, self.breaker.limits, self.pressure.breaker)

    @cached_property
    def redating(self) -> RedatingService:
        return RedatingService(db=self.db, policies=self.policies)

    @cached_property
    def status(self) -> StatusService:
        chosen, off = self.settings.storage.monitoring, self.settings.storage.cleanup.rehearses_because
        return StatusService(self.db, self.store, chosen.reserve_bytes, chosen.alert_threshold_percent, off)

    @cached_property
    def forecast(self) -> ForecastService:
        return ForecastService(self.db, self.store, self.settings.storage.monitoring.reserve_bytes, self._strategy)

    @cached_property
    def explanations(self) -> ExplainService:
        cleanup, terms = self.settings.storage.cleanup, ArchivalTerms.of(self.settings.archive)
        return ExplainService(self.db, self._strategy, next_tick(cleanup), terms, cleanup.rehearses_because)

    @cached_property
    def trail(self) -> TrailService:
        return TrailService(self.db)

    @cached_property
    def notices(self) -> NoticeService:
        return NoticeService(self.db, AlertWebhook.of(self.settings.storage.monitoring))

    @cached_property
    def warnings(self) -> WarningService:
        return WarningService(self.db, self.settings.storage.monitoring.warn_before)

    @property
    def _strategy(self) -> Strategy:
        return self.deletion.deleter.strategy


def next_tick(cleanup: CleanupSettings) -> NextTick:
    """Return when a schedule sweeps next; never, where nothing sweeps by schedule or sweeps only rehearse."""
    if cleanup.rehearses_because is not None:
        return lambda _schedule, _after: None
    trigger_of = lru_cache(cron_trigger)
    return lambda schedule, after: trigger_of(schedule).get_next_fire_time(None, after)
