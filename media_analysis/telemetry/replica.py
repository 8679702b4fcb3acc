"""What Prometheus is told of replicas."""

from prometheus_client import CollectorRegistry, Gauge

from media_analysis.replication.status import ReplicaLag


class ReplicaMetrics:
    """Takes over what the database says of replicas; where there are none, nothing lags."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "replica_lag_seconds", "For how long the oldest file without a replica waits for it", registry=registry
        )
        self._files = Gauge("replica_pending_files", "Files that have no replica yet", registry=registry)
        self._bytes = Gauge("replica_pending_bytes", "Bytes that have no replica yet", registry=registry)
        self._failing = Gauge("replica_failing_files", "Files whose copying or mending failed last", registry=registry)
        self._away = Gauge("replica_away", "Whether the store of replicas cannot be used", registry=registry)

    def set_lag(self, lag: ReplicaLag) -> None:
        """Take over what waits."""
        self._lag.set(lag.seconds)
        self._files.set(lag.files)
        self._bytes.set(lag.size_bytes)
        self._failing.set(lag.failing)

    def set_away(self, is_away: bool) -> None:  # noqa: FBT001 - the gauge's value
        """Take over whether replicas can be had."""
        self._away.set(is_away)
