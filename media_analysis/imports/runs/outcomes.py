"""What becomes of old runs and archives, one by one and in all."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from media_analysis.imports.tree.candidates import Skip


class Subject(StrEnum):
    """What an outcome is of."""

    RUN = "run"
    ARCHIVE = "archive"
    OTHER = "other"
    """A name that is neither."""


class Fate(StrEnum):
    """What became of it."""

    IMPORTED = "imported"
    PLANNED = "planned"
    """It would be imported; this is a dry run."""
    KNOWN = "known"
    """It is ours already, with all that belongs to it."""
    SKIPPED = "skipped"
    """It is nothing to import, or was deleted since it was imported."""
    REFUSED = "refused"
    """It should be imported and cannot be."""


class Refused(Exception):
    """One run or archive cannot be imported; the others can."""


class PassedOver(Exception):
    """One run or archive is none to import, which is as it should be."""


class Known(PassedOver):
    """It is ours already, with all that belongs to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """When a run was made and ended, and when it goes."""

    created_at: datetime
    completed_at: datetime
    archive_at: datetime
    """When it is archived by the settings, or was archived."""
    end_at: datetime
    """When it is deleted by the settings."""
    past_end: bool
    """Whether that had come when it was looked at."""


@dataclass(kw_only=True)
class ImportOutcome:
    """What became of one name in the tree."""

    name: str
    subject: Subject
    fate: Fate
    reason: str | None = None
    """Why it was skipped or refused."""
    job_id: UUID | None = None
    folder_name: str | None = None
    files: int = 0
    """Files that were imported, or would be."""
    size_bytes: int = 0
    known: int = 0
    """Files that were ours already."""
    skipped: Counter[Skip] = field(default_factory=Counter)
    life: Life | None = None
    kept_until: datetime | None = None
    """Until when it is kept although its end had come."""
    due_at_once: int = 0
    """Files whose own lifetime is over; the next sweep takes them."""
    renamed: bool = False


@dataclass
class ImportReport:
    """What became of a whole tree."""

    in_place: bool
    dry_run: bool
    outcomes: list[ImportOutcome] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(each.fate is Fate.REFUSED for each in self.outcomes)
