"""What the settings say to each service, in that service's own words."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.control import WaitingLimits
from media_analysis.analysis.execution import RunOptions
from media_analysis.analysis.runs import RunService
from media_analysis.archive.due import ArchiveTerms
from media_analysis.archive.format.compression import Compression
from media_analysis.archive.suite import ArchiveOptions
from media_analysis.db.database import Database, DatabaseOptions
from media_analysis.files.acceptance import Acceptance
from media_analysis.files.bodies import Pace
from media_analysis.files.uploads import UploadLimits
from media_analysis.media.options import Limits
from media_analysis.retention.explain.archival import ArchivalTerms
from media_analysis.retention.explain.explanation import NextTick
from media_analysis.retention.guard.breaker import BreakerLimits
from media_analysis.retention.guard.clock import ClockLimits
from media_analysis.retention.notices.webhook import Webhook
from media_analysis.retention.pressure.levels import DiskMarks
from media_analysis.retention.strategy import Strategy
from media_analysis.retention.sweep import SweepOptions
from media_analysis.sessions.admission import Activity
from media_analysis.settings.cron import cron_trigger
from media_analysis.settings.model import Settings
from media_analysis.storage.category import Category


def database_options(settings: Settings) -> DatabaseOptions:
    """Return what the settings say of the connection pool."""
    chosen = settings.database
    return DatabaseOptions(
        pool_min=chosen.pool_min,
        pool_max=chosen.pool_max,
        connect_timeout_seconds=chosen.connect_timeout_seconds,
        command_timeout_seconds=chosen.command_timeout_seconds,
        statement_timeout_seconds=chosen.statement_timeout_seconds,
        deadline_seconds=chosen.deadline_seconds,
    )


def waiting_limits(settings: Settings) -> WaitingLimits:
    """Return how long waiting jobs keep their sources, and how many of an owner may wait."""
    return WaitingLimits(pin=settings.worker.pin_limit, jobs_per_owner=settings.worker.max_waiting_per_owner)


def scrub_terms(settings: Settings) -> tuple[int | None, timedelta | None]:
    """Return how fast a scrub reads, and for how long."""
    chosen = settings.storage.scrub
    seconds = chosen.budget_seconds
    return chosen.bytes_per_second, None if seconds is None else timedelta(seconds=seconds)


def webhook(settings: Settings) -> Webhook | None:
    """Return who is told, None where nobody wants to know."""
    url = settings.storage.monitoring.webhook_url
    return None if url is None else Webhook(url.get_secret_value())


def disk_marks(settings: Settings) -> DiskMarks:
    """Return when the disk is under pressure, and down to where it is relieved."""
    disk = settings.storage.disk
    return DiskMarks(
        reserve_bytes=settings.storage.monitoring.reserve_bytes,
        high_percent=disk.high_water_percent,
        low_percent=disk.low_percent,
    )


def evicts(settings: Settings) -> str | None:
    """Return why pressure evicts nothing, None if it does."""
    cleanup = settings.storage.cleanup
    if not cleanup.enabled:
        return "storage.cleanup.enabled is false"
    return "storage.cleanup.dry_run is true" if cleanup.dry_run else None


def status_terms(settings: Settings) -> tuple[int, int, str | None]:
    """Return the disk's reserve, the free share below which it alerts, and why nothing is evicted."""
    chosen = settings.storage.monitoring
    return chosen.reserve_bytes, chosen.alert_threshold_percent, evicts(settings)


def upload_limits(settings: Settings) -> UploadLimits:
    """Return what an upload may be."""
    storage = settings.storage
    return UploadLimits(
        max_bytes=storage.upload.max_bytes,
        reserve_bytes=storage.monitoring.reserve_bytes,
        lease_seconds=storage.upload.lease_seconds,
        pace=Pace(
            idle_seconds=storage.upload.idle_seconds,
            min_bytes_per_second=storage.upload.min_bytes_per_second,
            deadline_seconds=storage.upload.deadline_seconds,
        ),
        accepted=Acceptance({category: storage.accept.of(category) for category in Category}),
    )


def admission_limits(settings: Settings) -> Mapping[Activity, int]:
    """Return how many long requests an owner may have under way in a process."""
    server = settings.server
    return {
        Activity.UPLOAD: server.max_uploads_per_owner,
        Activity.DOWNLOAD: server.max_downloads_per_owner,
        Activity.STREAM: server.max_streams_per_owner,
    }


def strategy(settings: Settings) -> Strategy:
    """Return how long what goes stays restorable."""
    deletion = settings.deletion
    soft = deletion.trash_retention if deletion.strategy == "soft" else None
    use_trash = settings.storage.cleanup.use_trash
    return Strategy(
        sweeps=soft if use_trash is None else deletion.trash_retention if use_trash else None,
        requests=soft,
        on_demand=deletion.trash_retention,
    )


def next_tick(settings: Settings) -> NextTick:
    """Return when a schedule sweeps next; never, where nothing sweeps by schedule or sweeps only rehearse."""
    cleanup = settings.storage.cleanup
    if cleanup.dry_run or not cleanup.enabled:
        return lambda _schedule, _after: None
    trigger_of = lru_cache(cron_trigger)
    return lambda schedule, after: trigger_of(schedule).get_next_fire_time(None, after)


def archival_terms(settings: Settings) -> ArchivalTerms:
    """Return when runs are archived by schedule, and how long they are kept."""
    chosen = settings.archive
    trigger = cron_trigger(chosen.schedule)
    return ArchivalTerms(
        after=timedelta(days=chosen.after_days),
        kept_for=timedelta(days=chosen.delete_after_days),
        next_start=lambda after: trigger.get_next_fire_time(None, after) if chosen.enabled else None,
    )


def record_lives(settings: Settings) -> Mapping[str, timedelta | None]:
    """Return how long records are kept, by the names of their settings."""
    records = settings.storage.records
    return {name: records.life_of(name) for name in type(records).model_fields if name != "schedule"}


def quarantine_terms(settings: Settings) -> tuple[timedelta | None, bool]:
    """Return how long what was set aside is kept, and whether stored bytes end at all."""
    cleanup = settings.storage.cleanup
    return settings.storage.records.quarantine, cleanup.enabled and not cleanup.dry_run


def sweep_options(settings: Settings) -> SweepOptions:
    """Return how a sweep works."""
    cleanup = settings.storage.cleanup
    budget = None if cleanup.budget_seconds is None else timedelta(seconds=cleanup.budget_seconds)
    return SweepOptions(
        batch_size=cleanup.batch_size,
        workers=cleanup.workers,
        budget=budget,
        budget_files=cleanup.budget_files,
        budget_bytes=cleanup.budget_bytes,
    )


def breaker_limits(settings: Settings) -> BreakerLimits:
    """Return what a sweep may take unconfirmed."""
    chosen = settings.storage.breaker
    return BreakerLimits(
        share_percent={category: chosen.share_percent.of(category) for category in Category},
        min_files=chosen.min_files,
        median_factor=chosen.median_factor,
    )


def eviction_share(settings: Settings) -> int | None:
    """Return which share of a category pressure takes within an hour unconfirmed, None for any."""
    return settings.storage.breaker.eviction_share_percent


def clock_limits(settings: Settings) -> ClockLimits:
    """Return from when the clock is distrusted."""
    chosen = settings.storage.breaker
    return ClockLimits(jump=timedelta(seconds=chosen.clock_jump_seconds), downtime=timedelta(days=chosen.downtime_days))


def run_service(settings: Settings, db: Database) -> RunService:
    """Return what starts and ends runs of jobs."""
    worker = settings.worker
    return RunService(db, lease=timedelta(seconds=worker.lease_seconds), max_attempts=worker.max_attempts)


def run_options(settings: Settings) -> RunOptions:
    """Return how runs are confined and tried again."""
    worker = settings.worker
    return RunOptions(
        confinement=Confinement(seconds=worker.timeout_seconds, memory_bytes=worker.memory_bytes),
        limits=Limits(
            max_pixels=worker.max_pixels,
            max_duration_seconds=worker.max_duration.total_seconds(),
            max_product_bytes=worker.max_product_bytes,
            threads=worker.threads,
        ),
        first_delay=timedelta(seconds=worker.retry_seconds),
    )


def archive_options(settings: Settings) -> ArchiveOptions:
    """Return when and how runs are archived."""
    chosen = settings.archive
    terms = ArchiveTerms(
        after=timedelta(days=chosen.after_days),
        kept_for=timedelta(days=chosen.delete_after_days),
        budget=None if chosen.budget_seconds is None else timedelta(seconds=chosen.budget_seconds),
        budget_bytes=chosen.budget_bytes,
    )
    return ArchiveOptions(
        terms=terms,
        compression=Compression(chosen.compression),
        concurrency=chosen.concurrency,
        reserve_bytes=settings.storage.monitoring.reserve_bytes,
        retry_seconds=chosen.retry_seconds,
    )
