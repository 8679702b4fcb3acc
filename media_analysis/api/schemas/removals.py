"""Documents about what is deleted because somebody asks: how, what goes with it, and what stands against it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from media_analysis.api.schemas.base import RequestDocument
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import NOTHING, Amount, Obstacle
from media_analysis.errors import AdminRequired
from media_analysis.files.service import Condition
from media_analysis.jobs.deletion import JobDeletion
from media_analysis.retention.families import FileDeletion
from media_analysis.sessions.models import Role
from media_analysis.sessions.service import Caller
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category
from media_analysis.values import Line

PENDING: Final = (
    "Whether bytes of what went are still in the store, overwritten or not: there are many, deletion is paused, or the "
    "disk refused; nobody can read them, and they go as soon as they may"
)
REMAINING: Final = (
    "How many objects are still in the store at the time of the answer, and their bytes; "
    "`GET /deletions?unpurged=true` lists them until they are gone. "
    "Null: the database went away meanwhile, and nobody can tell"
)


class RemovalQuery(RequestDocument):
    """How something is to be deleted; unknown parameters are refused, lest a mistyped `secure` is a plain one."""

    strategy: Literal["hard", "soft"] | None = Field(
        None,
        description="`soft`: into the trash; `hard`: for good, for administrators; without, as configured, but "
        "for good if all that goes is scratch (`temp`, `clips`)",
    )
    reason: Line | None = Field(None, description="Why, for the audit trail and the tombstones")
    secure: bool = Field(
        default=False,
        description="Overwrite the bytes before they go, for good, as far as the medium allows it; for administrators",
    )
    dry_run: bool = Field(default=False, description="Say what would go, and delete nothing")

    @model_validator(mode="after")
    def _no_secure_trash(self) -> Self:
        if self.secure and self.strategy == "soft":
            raise ValueError("secure deletes for good; it excludes strategy=soft")
        return self

    def request(self, caller: Caller, condition: Condition | None = None) -> DeletionRequest:
        """Return what `caller` asks for, on that condition.

        Raises:
            AdminRequired: it deletes for good, which is for administrators.

        """
        request = DeletionRequest(
            actor=caller.owner,
            reason=self.reason,
            hard=self.strategy == "hard",
            secure=self.secure,
            soft=self.strategy == "soft",
            condition=condition,
            limit=caller.limit,
        )
        if request.for_good and caller.role is not Role.ADMIN:
            raise AdminRequired
        return request


class FileDeleteQuery(RemovalQuery):
    """How a file is to be deleted."""

    derived: Literal["take", "keep"] = Field(
        "take", description="Whether what was derived from it goes with it, and the results about all of them"
    )


class AmountRead(BaseModel):
    """Files, and their bytes."""

    files: int
    size_bytes: int

    @classmethod
    def from_amount(cls, amount: Amount) -> Self:
        """Return the document of an amount."""
        return cls(files=amount.files, size_bytes=amount.size_bytes)

    @classmethod
    def from_amounts(cls, amounts: Mapping[Category, Amount]) -> Self:
        """Return the document of what there is of all categories together."""
        sums = [sum(numbers) for numbers in zip(*amounts.values(), strict=True)] or [0, 0]
        return cls(files=sums[0], size_bytes=sums[1])


class ObstacleRead(BaseModel):
    """A rule that forbids the deletion."""

    rule: RetentionRule
    files: int = Field(description="How many of the files it protects; 0 where it holds a job that has none")
    until: datetime | None = Field(description="When the last of them is free; null is until somebody acts")

    @classmethod
    def from_obstacles(cls, obstacles: Sequence[Obstacle]) -> list[Self]:
        """Return the documents of obstacles."""
        return [cls(rule=one.rule, files=one.files, until=one.until) for one in obstacles]


class JobRemovalRead(BaseModel):
    """What went with a job, or would; its sources stay."""

    job_id: UUID
    dry_run: bool
    deleted_at: datetime | None = Field(description="Null where it is not deleted")
    restorable_until: datetime | None = Field(description="All of it can be restored until then; null is not at all")
    cancelled: bool = Field(description="Whether the job waited or ran, and is stopped by its deletion")
    files: int
    size_bytes: int
    categories: dict[Category, AmountRead] = Field(description="The same by category")
    results: int
    sources: AmountRead = Field(description="What it analysed, which stays")
    pending: bool = Field(description=PENDING)
    remaining: AmountRead | None = Field(description=REMAINING)
    obstacles: list[ObstacleRead] = Field(description="Why it would be refused now, strongest first; else empty")

    @classmethod
    def from_removal(cls, told: JobDeletion) -> Self:
        """Return the document of a removal or of its rehearsal."""
        total = told.files.total
        return cls(
            job_id=told.job_id,
            dry_run=told.deleted_at is None,
            deleted_at=told.deleted_at,
            restorable_until=told.restorable_until,
            cancelled=told.stops,
            files=total.files,
            size_bytes=total.size_bytes,
            categories=_by_category(told.files.categories),
            results=told.results,
            sources=AmountRead.from_amount(told.sources),
            pending=told.remaining != NOTHING,
            remaining=None if told.remaining is None else AmountRead.from_amount(told.remaining),
            obstacles=ObstacleRead.from_obstacles(told.obstacles),
        )


class FileRemovalRead(BaseModel):
    """What went with a file, or would."""

    file_id: UUID
    dry_run: bool
    category: Category
    size_bytes: int
    restorable_until: datetime | None = Field(description="All of it can be restored until then; null is not at all")
    derived: AmountRead = Field(description="What was made from it, and from that, which goes with it")
    categories: dict[Category, AmountRead] = Field(description="What was derived, by category")
    results: int = Field(description="Results about the file and what was derived from it")
    pending: bool = Field(description=PENDING)
    remaining: AmountRead | None = Field(description=REMAINING)
    obstacles: list[ObstacleRead] = Field(
        description="Why the deletion would be refused now unless `derived=keep`, strongest first; else empty"
    )

    @classmethod
    def from_removal(cls, told: FileDeletion, *, dry_run: bool) -> Self:
        """Return the document of a removal or of its rehearsal."""
        head = told.head
        return cls(
            file_id=head.facts.id,
            dry_run=dry_run,
            category=head.category,
            size_bytes=head.facts.size_bytes,
            restorable_until=told.restorable_until,
            derived=AmountRead.from_amount(told.derived.total),
            categories=_by_category(told.derived.categories),
            results=told.results,
            pending=told.remaining != NOTHING,
            remaining=None if told.remaining is None else AmountRead.from_amount(told.remaining),
            obstacles=ObstacleRead.from_obstacles(told.derived.obstacles),
        )


def _by_category(amounts: Mapping[Category, Amount]) -> dict[Category, AmountRead]:
    return {category: AmountRead.from_amount(amount) for category, amount in amounts.items()}
