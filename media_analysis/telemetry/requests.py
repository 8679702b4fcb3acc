"""What Prometheus is told of requests."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


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
