"""What Prometheus is told of archiving and restoring."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from media_analysis.archive.figures import ArchiveFigures
from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.media.types.known import extension_of
from media_analysis.retention.lives import Lives

SECONDS_BUCKETS: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400)
_OPEN: Final = (ArchiveTaskStatus.PENDING, ArchiveTaskStatus.RUNNING)
_FAMILIES: Final = frozenset({"application", "audio", "image", "text", "video"})


class ArchiveMetrics:
    """Counts what became of archive tasks here, and takes over what the database says of all of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "archive_tasks",
            "Archivings and restorings that ended here, by outcome and, where they failed, why",
            ["kind", "status", "reason"],
            registry=registry,
        )
        self._packed = Counter(
            "archive_bytes",
            "Bytes of files that were archived here, before packing (raw) and after (packed)",
            ["media_type", "side"],
            registry=registry,
        )
        self._seconds = Histogram(
            "archive_seconds",
            "Duration of archivings and restorings that succeeded here",
            ["kind"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        for kind in ArchiveTaskKind:
            self._ended.labels(kind.value, ArchiveTaskStatus.COMPLETED.value, "")
            self._seconds.labels(kind.value)
        self._follow_figures(registry)
        self._follow_lives(registry)

    def _follow_figures(self, registry: CollectorRegistry) -> None:
        self._open = Gauge(
            "archive_tasks_open", "Archivings and restorings that wait or run", ["kind", "status"], registry=registry
        )
        self._failures = Gauge(
            "archive_failures",
            "Runs whose archiving or restoring failed within a day and has not succeeded since",
            ["kind", "reason"],
            registry=registry,
        )
        self._damaged = Gauge("archives_damaged", "Archives a scrub found damaged or missing", registry=registry)
        self._late = Gauge(
            "archive_oldest_due_seconds", "For how long the oldest due run waits to be archived", registry=registry
        )

    def _follow_lives(self, registry: CollectorRegistry) -> None:
        self._life_bytes = Gauge(
            "storage_life_bytes", "Stored bytes: active, archived or trashed", ["life"], registry=registry
        )
        self._life_files = Gauge(
            "storage_life_files", "Stored files: active, archived or trashed", ["life"], registry=registry
        )
        self._original_bytes = Gauge(
            "archive_original_bytes", "Bytes of the files of archived runs before packing", registry=registry
        )
        self._original_files = Gauge("archive_original_files", "Files of archived runs", registry=registry)

    def observe(self, task: ArchiveTask) -> None:
        """Count a task that ended."""
        self._ended.labels(task.kind.value, task.status.value, task.error_code or "").inc()
        for media_type, share in task.stats.get("media_types", {}).items():
            self._packed.labels(_label(media_type), "raw").inc(share["raw_bytes"])
            self._packed.labels(_label(media_type), "packed").inc(share["packed_bytes"])
        completed = task.status is ArchiveTaskStatus.COMPLETED
        if completed and task.started_at is not None and task.ended_at is not None:
            self._seconds.labels(task.kind.value).observe((task.ended_at - task.started_at).total_seconds())

    def set_figures(self, figures: ArchiveFigures) -> None:
        """Take over how archiving stands, in whichever process it runs."""
        for kind in ArchiveTaskKind:
            for status in _OPEN:
                self._open.labels(kind.value, status.value).set(figures.open_tasks.get((kind, status), 0))
        self._failures.clear()
        for (done, reason), runs in figures.failures.items():
            self._failures.labels(done, reason).set(runs)
        self._damaged.set(figures.damaged)
        self._late.set(figures.oldest_due_seconds)

    def set_lives(self, lives: Lives) -> None:
        """Take over what of storage is active, archived or trash."""
        for life, amount in (("active", lives.active), ("archived", lives.archived), ("trashed", lives.trashed)):
            self._life_bytes.labels(life).set(amount.size_bytes)
            self._life_files.labels(life).set(amount.files)
        self._original_bytes.set(lives.originals.size_bytes)
        self._original_files.set(lives.originals.files)


def _label(media_type: str) -> str:
    """Return a media type, or its family where nobody bounds how many there are of it: clients declare them."""
    if extension_of(media_type) != "bin":
        return media_type
    family = media_type.partition("/")[0]
    return f"{family}/*" if family in _FAMILIES else "*/*"
