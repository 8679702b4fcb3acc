"""The types of events, and which of them are meant by a name or a pattern."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

MOST_PATTERNS: Final = 32
_ALL: Final = ".*"


class EventType(StrEnum):
    """What can happen to a file or a job."""

    FILE_STORED = "file.stored"
    FILE_CHANGED = "file.changed"
    """Its name, end, hold or labels; `data.changed` says which."""
    FILE_TRASHED = "file.trashed"
    FILE_RESTORED = "file.restored"
    """From the trash or from an archive."""
    FILE_ARCHIVED = "file.archived"
    """Its bytes went into the archive of its run."""
    FILE_DELETED = "file.deleted"
    JOB_CREATED = "job.created"
    JOB_STARTED = "job.started"
    JOB_PROGRESS = "job.progress"
    JOB_WARNING = "job.warning"
    JOB_WAITING = "job.waiting"
    """It waits again: to be tried once more, or for another worker."""
    JOB_CHANGED = "job.changed"
    """Its end, hold or labels; `data.changed` says which."""
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    JOB_ARCHIVED = "job.archived"
    JOB_RESTORED = "job.restored"
    """From the trash or from an archive."""
    JOB_DELETED = "job.deleted"

    @property
    def is_of_jobs(self) -> bool:
        """Whether it happens to jobs rather than to files."""
        return self.startswith("job.")


def types_of(patterns: Iterable[str]) -> frozenset[EventType]:
    """Return the types that names, `file.*`, `job.*` and `*` mean.

    Raises:
        ValueError: one means none.

    """
    found: set[EventType] = set()
    for pattern in patterns:
        meant = {each for each in EventType if _means(pattern, each)}
        if not meant:
            raise ValueError("a type of events is such as job.completed, file.* or *")
        found |= meant
    return frozenset(found)


def _means(pattern: str, each: EventType) -> bool:
    if pattern in {"*", each}:
        return True
    return pattern.endswith(_ALL) and each.partition(".")[0] == pattern.removesuffix(_ALL)


def _parsed(patterns: list[str]) -> list[str]:
    types_of(patterns)
    return patterns


EventPatterns = Annotated[list[str], Field(min_length=1, max_length=MOST_PATTERNS), AfterValidator(_parsed)]
"""Types of events as a document or a query says them, which `types_of` reads."""
