"""What the model of retention remembers of files, jobs and plans."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from media_analysis.storage.category import Category

TRASH = timedelta(hours=48)
PLAN_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What one category keeps; spans are hours."""

    lifetime: int | None
    minimum: int | None = None
    quota: int
    high: int | None = None
    low: int | None = None
    evicted: bool = True


@dataclass
class Trash:
    at: datetime
    ends_at: datetime
    sweep: UUID | None


@dataclass
class Job:
    """A run that ended; it is gone for good once its end has come and nothing of it is left."""

    held_until: datetime | None = None
    ends_at: datetime | None = None
    gone: bool = False

    def may_go(self, now: datetime) -> bool:
        held = self.held_until is not None and self.held_until > now
        return self.ends_at is not None and self.ends_at <= now and not held


@dataclass
class File:
    """A file nobody has deleted for good."""

    id: UUID
    owner: str
    category: Category
    content: bytes
    stored_at: datetime
    job: UUID | None = None
    ends_at: datetime | None = None
    explicit: bool = False
    minimum_ends_at: datetime | None = None
    held_until: datetime | None = None
    leased_until: datetime | None = None
    trash: Trash | None = None
    version: int = 1

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass
class Plan:
    versions: dict[UUID, int]
    expires_at: datetime
    applied: bool = False
