"""Where jobs are."""

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job is in its run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether it neither waits nor runs."""
        return self not in {JobStatus.PENDING, JobStatus.RUNNING}
