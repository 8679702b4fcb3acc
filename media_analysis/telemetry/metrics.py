"""What Prometheus reads: storage from the ledger, deletion as it happens, requests by route."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest, start_http_server

from media_analysis.deletion.models import Pause, PauseCause
from media_analysis.errors import Misconfigured
from media_analysis.jobs.waiting import KindBacklog
from media_analysis.records.service import RecordLife
from media_analysis.retention.duties import Punctuality
from media_analysis.retention.models import SweepStatus
from media_analysis.retention.pressure.outcome import ReliefOutcome
from media_analysis.retention.records import SweepReport
from media_analysis.retention.status import Backlog, StorageStats
from media_analysis.storage.category import Category
from media_analysis.telemetry.archives import ArchiveMetrics
from media_analysis.telemetry.replica import ReplicaMetrics
from media_analysis.telemetry.shared import SharedMetrics

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
SWEEP_BUCKETS = (0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)


class Metrics:
    """One process's metrics in a registry of their own."""

    def __init__(self, *, served: bool = True) -> None:
        self.served, self._registry = served, (registry := CollectorRegistry())
        self.shared: SharedMetrics | None = None
        """Those of other processes beside this one's."""
        self._bytes = Gauge("storage_bytes", "Stored bytes by the ledger", ["category"], registry=registry)
        self._files = Gauge("storage_files", "Stored files by the ledger", ["category"], registry=registry)
        self._reserved = Gauge(
            "storage_reserved_bytes", "Bytes of products and archives being made", ["category"], registry=registry
        )
        self._quota = Gauge("storage_quota_bytes", "Configured quota", ["category"], registry=registry)
        self._quota_used = Gauge(
            "quota_used_ratio", "Stored bytes as a share of the quota", ["category"], registry=registry
        )
        self._paused = Gauge(
            "deletion_paused", "Whether deletion stands still", ["category", "cause"], registry=registry
        )
        self._trips = Counter("breaker_trips", "Pauses that nobody asked for, by cause", ["cause"], registry=registry)
        self._free = Gauge("storage_free_bytes", "Free bytes of the store's disk", registry=registry)
        self._total = Gauge("storage_total_bytes", "Size of the store's disk", registry=registry)
        self._inodes = {what: _inodes(what, registry) for what in ("free", "total")}
        self._lag = Gauge("storage_due_lag_seconds", "Age of the oldest due file", ["category"], registry=registry)
        self._dead = Gauge("purge_dead_letters", "Deletions given up after repeated failures", registry=registry)
        self._open = Gauge("purge_open", "Outbox entries whose bytes still have to go", registry=registry)
        self._pool = Gauge("database_pool_connections", "Connections of the pool", ["state"], registry=registry)
        self._cleaned = Counter("files_cleaned", "Files removed by sweeps", ["category"], registry=registry)
        self._freed = Counter("bytes_freed", "Bytes removed by sweeps", ["category"], registry=registry)
        self._errors = Counter("sweep_errors", "Files a sweep could not remove", ["category"], registry=registry)
        self._results_removed = Counter("results_cleaned", "Results removed by sweeps", registry=registry)
        self._jobs_removed = Counter("jobs_cleaned", "Ended jobs removed by sweeps", registry=registry)
        self._sweeps = Counter("sweeps", "Sweeps ended, by outcome", ["status"], registry=registry)
        self._sweep_seconds = Histogram("sweep_seconds", "Duration of sweeps", buckets=SWEEP_BUCKETS, registry=registry)
        self._follow_pressure(registry)
        self._follow_care(registry)
        self._follow_records(registry)
        self._follow_jobs(registry)
        self.archives = ArchiveMetrics(registry)
        self.replica = ReplicaMetrics(registry)
        self.requests = RequestMetrics(registry)

    def _follow_pressure(self, registry: CollectorRegistry) -> None:
        hour, by_category = "by requests within the last hour", ["category"]
        self._requested, self._requested_share = (
            Gauge(f"deletions_requested_{what}", f"{told} deleted {hour}", by_category, registry=registry)
            for what, told in (("files", "Files"), ("ratio", "The share of files"))
        )
        self._wanted = Counter("pressure_wanted_bytes", "Bytes pressure wanted gone", ["scope"], registry=registry)
        self._relieved = Counter("pressure_freed_bytes", "Bytes evicted under pressure", ["scope"], registry=registry)
        self._unrelieved = Gauge(
            "pressure_unrelieved", "Bytes that eviction could not free when it last tried", ["scope"], registry=registry
        )

    def _follow_care(self, registry: CollectorRegistry) -> None:
        self._duty_succeeded = Gauge(
            "duty_last_success_timestamp_seconds", "When a scheduled duty was last done", ["duty"], registry=registry
        )
        self._damaged = Gauge("files_damaged", "Files that the store does not hold as stored", registry=registry)
        self._duty_late = Gauge(
            "duty_late_seconds", "Since when a scheduled duty should have been done", ["duty"], registry=registry
        )

    def _follow_records(self, registry: CollectorRegistry) -> None:
        self._records_ended = Gauge("records_ended", "Records of the service's own ended", ["kind"], registry=registry)
        self._record_bytes = Gauge("record_table_bytes", "What their tables take", ["table"], registry=registry)
        self._records_oldest = Gauge(
            "records_oldest_timestamp_seconds", "When the life of the oldest began", ["kind"], registry=registry
        )

    def _follow_jobs(self, registry: CollectorRegistry) -> None:
        self._jobs_ended = Counter(
            "jobs_ended",
            "Runs of jobs ended here: completed, failed or retried",
            ["kind", "outcome"],
            registry=registry,
        )
        self._jobs_running = Gauge("jobs_running", "Jobs that run in this process", ["kind"], registry=registry)
        self._jobs_waiting = Gauge("jobs_waiting", "Jobs that wait for a worker", ["kind"], registry=registry)
        self._jobs_waiting_seconds = Gauge(
            "jobs_waiting_seconds", "Since when the oldest of them could have begun", ["kind"], registry=registry
        )
        self._loop_lag = Gauge(
            "media_analysis_worker_loop_lag_seconds", "Longest lag of the event loop in a minute", registry=registry
        )

    def observe_sweep(self, report: SweepReport) -> None:
        """Count a finished sweep; rehearsals change nothing."""
        if report.dry_run:
            return
        for category, tally in report.tallies.items():
            self._cleaned.labels(category.value).inc(tally.files_removed)
            self._freed.labels(category.value).inc(tally.bytes_freed)
            self._errors.labels(category.value).inc(tally.errors)
        self._results_removed.inc(report.results)
        self._jobs_removed.inc(report.jobs)
        self._sweeps.labels(report.status.value).inc()
        if report.status is not SweepStatus.FAILED and report.ended_at is not None:
            self._sweep_seconds.observe((report.ended_at - report.started_at).total_seconds())

    def observe_relief(self, outcome: ReliefOutcome) -> None:
        """Count a relief, or note that there was nothing to relieve."""
        scope, missing_bytes = outcome.scope.label, outcome.wanted_bytes - outcome.freed_bytes
        self._wanted.labels(scope).inc(outcome.wanted_bytes)
        self._relieved.labels(scope).inc(outcome.freed_bytes)
        self._unrelieved.labels(scope).set(0 if outcome.relieved else max(0, missing_bytes))
        if self.shared is not None:
            self.shared.look()

    @contextmanager
    def job_running(self, kind: str) -> Iterator[None]:
        """Count a job that runs while the block does."""
        with self._jobs_running.labels(kind).track_inprogress():
            yield

    def observe_job(self, kind: str, outcome: str) -> None:
        """Count the end of a run."""
        self._jobs_ended.labels(kind, outcome).inc()

    def observe_loop_lag(self, seconds: float) -> None:
        """Take over how late the event loop was."""
        self._loop_lag.set(seconds)

    @contextmanager
    def exposed(self, host: str, port: int) -> Iterator[int]:
        """Serve what is told of jobs that run in this process, where nothing else does; yield the port.

        Raises:
            Misconfigured: the port cannot be had.

        """
        registry = CollectorRegistry()
        for metric in (self._jobs_ended, self._jobs_running, self._loop_lag):
            registry.register(metric)
        try:
            server, serving = start_http_server(port, host, registry)
        except OSError as error:
            raise Misconfigured(f"metrics cannot be served at {host}:{port}: {error.strerror}") from error
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            serving.join()

    def set_waiting_jobs(self, waiting: Sequence[KindBacklog]) -> None:
        """Take over what waits for a worker; kinds of which none waits any more are gone."""
        for gauge in (self._jobs_waiting, self._jobs_waiting_seconds):
            gauge.clear()
        for kind in waiting:
            self._jobs_waiting.labels(kind.kind).set(kind.jobs)
            self._jobs_waiting_seconds.labels(kind.kind).set(kind.oldest_seconds)

    def set_storage(self, stats: StorageStats, backlog: Backlog) -> None:
        """Take over what the database says at the moment of a scrape."""
        total_bytes, free_bytes = stats.capacity.told
        self._free.set(math.inf if free_bytes is None else free_bytes)
        self._total.set(math.inf if total_bytes is None else total_bytes)
        self._inodes["free"].set(stats.capacity.free_inodes)
        self._inodes["total"].set(stats.capacity.total_inodes)
        for category, usage in stats.usage.items():
            self._bytes.labels(category.value).set(usage.size_bytes)
            self._files.labels(category.value).set(usage.files)
            self._reserved.labels(category.value).set(usage.reserved_bytes)
            self._lag.labels(category.value).set(backlog.lag_seconds.get(category, 0.0))
            quota = stats.quotas.get(category)
            if quota is None:
                self._unset_quota(category)
            else:
                self._quota.labels(category.value).set(quota)
                self._quota_used.labels(category.value).set(usage.size_bytes / quota if quota else usage.size_bytes > 0)
        self._dead.set(backlog.dead_letters)
        self._open.set(backlog.open_purges)
        self._damaged.set(backlog.damaged)
        for category, (files, of_files) in backlog.requested.items():
            self._requested.labels(category.value).set(files)
            self._requested_share.labels(category.value).set(files / of_files if of_files else 0.0)

    def _unset_quota(self, category: Category) -> None:
        for gauge in (self._quota, self._quota_used):
            with suppress(KeyError):
                gauge.remove(category.value)

    def set_duties(self, duties: Sequence[Punctuality]) -> None:
        """Take over how the schedule is kept."""
        for gauge in (self._duty_succeeded, self._duty_late):
            gauge.clear()
        for duty in duties:
            self._duty_late.labels(duty.name).set(duty.late_seconds)
            if duty.succeeded_at is not None:
                self._duty_succeeded.labels(duty.name).set(duty.succeeded_at.timestamp())

    def set_records(self, lives: Sequence[RecordLife]) -> None:
        """Take over what there is of the service's own records."""
        self._records_oldest.clear()
        for life in lives:
            self._records_ended.labels(life.name).set(life.ended)
            if life.table_bytes is not None:
                self._record_bytes.labels(life.table).set(life.table_bytes)
            if life.oldest_at is not None:
                self._records_oldest.labels(life.name).set(life.oldest_at.timestamp())

    def set_pauses(self, pauses: Sequence[Pause]) -> None:
        """Take over where deletion stands still, and why; a pause of everything is one of category `all`."""
        stands = {(_scope(pause.category), pause.cause) for pause in pauses}
        for scope in map(_scope, (None, *Category)):
            for cause in PauseCause:
                self._paused.labels(scope, cause.value).set((scope, cause) in stands)

    def observe_trip(self, cause: PauseCause) -> None:
        """Count a pause that the breaker or the clock caused."""
        self._trips.labels(cause.value).inc()

    def set_pool(self, *, in_use: int, idle: int) -> None:
        """Take over how the connection pool stands."""
        self._pool.labels("in_use").set(in_use)
        self._pool.labels("idle").set(idle)

    def collect_own(self) -> Iterable[Metric]:
        """Return what this process knows."""
        return self._registry.collect()

    def collect(self) -> Iterable[Metric]:
        """Return what this process knows, with what others counted that serve beside it."""
        own = self.collect_own()
        return own if self.shared is None else self.shared.collect(own)

    def render(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self)


def _scope(category: Category | None) -> str:
    return "all" if category is None else category.value


def _inodes(what: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(f"storage_{what}_inodes", f"Inodes of the store's disk, {what}; 0 if uncounted", registry=registry)


class RequestMetrics:
    """Counts the answers of this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "http_request_seconds",
            "Time to the last byte of a response",
            ["method", "route", "status"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._wrong_tokens = Counter("tokens_rejected", "Requests with a token that is not good", registry=registry)

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one response."""
        self._seconds.labels(method, route, str(status)).observe(seconds)

    def observe_wrong_token(self) -> None:
        """Count a request with a token that is not good."""
        self._wrong_tokens.inc()
