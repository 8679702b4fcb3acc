"""What Prometheus is told of archiving and restoring."""

from prometheus_client import CollectorRegistry, Counter

from media_analysis.archive.models import ArchiveTask


class ArchiveMetrics:
    """Counts what became of archive tasks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "media_archive_tasks_total",
            "Archivings and restorings that ended, by outcome and, where they failed, why",
            ["kind", "status", "reason"],
            registry=registry,
        )
        self._packed = Counter(
            "media_archive_bytes_total",
            "Bytes of files that were archived, by media type, before packing (raw) and after (packed)",
            ["media_type", "side"],
            registry=registry,
        )

    def observe(self, task: ArchiveTask) -> None:
        """Count a task that ended."""
        self._ended.labels(task.kind.value, task.status.value, task.error_code or "").inc()
        for media_type, share in task.stats.get("media_types", {}).items():
            self._packed.labels(media_type, "raw").inc(share["raw_bytes"])
            self._packed.labels(media_type, "packed").inc(share["packed_bytes"])
