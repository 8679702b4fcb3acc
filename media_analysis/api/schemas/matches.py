"""Documents about the deletion of all files that a filter names."""

from datetime import datetime
from typing import Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from media_analysis.api.schemas.base import OF_LABELS
from media_analysis.api.schemas.removals import PENDING, REMAINING, AmountRead, ObstacleRead, RemovalQuery
from media_analysis.deletion.selection import NOTHING
from media_analysis.errors import AdminRequired, SessionLimited
from media_analysis.files.filters import FileFilter
from media_analysis.labels import LabelFilters, parse_filters
from media_analysis.retention.matches.queries import Tally
from media_analysis.retention.matches.service import MatchDeletion
from media_analysis.sessions.service import Caller
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.units import LARGEST_SIZE
from media_analysis.values import Instant, Owner

_FILTERS: Final = ("category", "label", "job_id", "state", "expires_before", "owner")


class MatchDeleteQuery(RemovalQuery):
    """Which files are to be deleted, and how; at least one filter is named."""

    category: Category | None = None
    job_id: UUID | None = Field(None, description="Files of this job; what it analysed is not its own")
    state: Literal[FileState.STORED, FileState.TRASHED] | None = Field(
        None, description="`trashed`: what lies in the trash, which goes for good only; else what is stored and living"
    )
    expires_before: Instant | None = Field(None, description="Ends before then")
    label: LabelFilters | None = Field(None, min_length=1, description=OF_LABELS)
    owner: Owner | None = Field(None, description="Administrators only; others delete their own")
    derived: Literal["take", "keep"] = Field(
        "take",
        description="Whether what was derived from them goes with them, and the results about all of them; a limited "
        "session says `keep`, for some of it may lie outside",
    )
    dry_run: bool = Field(default=True, description="Say what would go, and delete nothing; `false` deletes")
    confirm: int | None = Field(
        None,
        ge=0,
        le=LARGEST_SIZE,
        description="`needs` of a dry run: more than a share of a category goes only if its number is named, and never "
        "more than that",
    )

    @model_validator(mode="after")
    def _something_named(self) -> Self:
        if not any(getattr(self, name) is not None for name in _FILTERS):
            raise ValueError(f"name what to delete by at least one of {', '.join(_FILTERS)}")
        if self.state is FileState.TRASHED and not (self.secure or self.strategy == "hard"):
            raise ValueError("what is in the trash goes for good only, by strategy=hard or secure=true")
        return self

    def wanted(self, caller: Caller) -> FileFilter:
        """Return the filter, for a caller who deletes their own only unless they are an administrator.

        Raises:
            AdminRequired: they name somebody else's.
            SessionLimited: files outside of its limit would go with those.

        """
        if caller.scope is not None and self.owner not in {None, caller.scope}:
            raise AdminRequired
        if caller.limit is not None and self.derived == "take":
            raise SessionLimited("a limited session deletes what a filter names with derived=keep only")
        return FileFilter(
            owner=caller.scope or self.owner,
            category=self.category,
            job_id=self.job_id,
            state=self.state or FileState.STORED,
            expires_before=self.expires_before,
            labels=parse_filters(self.label or ()),
        ).within(caller.limit)


class MatchedCategoryRead(BaseModel):
    """What a filter names of a category, and what goes of it."""

    matched: AmountRead
    files: int = Field(description="How many files go, what was derived included")
    size_bytes: int
    derived: AmountRead = Field(description="What of that was derived from what matched, and does not match itself")

    @classmethod
    def from_tally(cls, tally: Tally, category: Category) -> Self:
        """Return the document of a category."""
        going = tally.going.get(category, NOTHING)
        return cls(
            matched=AmountRead.from_amount(tally.matched.get(category, NOTHING)),
            files=going.files,
            size_bytes=going.size_bytes,
            derived=AmountRead.from_amount(tally.derived.get(category, NOTHING)),
        )


class MatchRemovalRead(BaseModel):
    """What of the files that a filter names went, or would, and why the others stay."""

    dry_run: bool
    matched: AmountRead = Field(description="The files that the filter names")
    files: int = Field(description="How many files went, or would, what was derived included")
    size_bytes: int
    derived: AmountRead = Field(description="What of that was derived from what matched, and does not match itself")
    categories: dict[Category, MatchedCategoryRead] = Field(description="The same by category")
    results: int = Field(description="Results about what went, which went with it")
    kept: list[ObstacleRead] = Field(
        description="Why the rest of what matched stays, strongest first: each counts by its own protection, or that "
        "of what was derived from it, unless `derived=keep`; `archived`: it is the archive of a run, which goes with "
        "its run only, or what was derived from it lies in one"
    )
    needs: int | None = Field(
        description="The number to be named by `confirm`, for so many go that they are an unusual share of a category; "
        "null where none need be named"
    )
    left: int = Field(
        description="How many files at least were to go and were not taken: there are very many, the database went "
        "away, or more came than was confirmed; ask again"
    )
    restorable_until: datetime | None = Field(description="What is in the trash can be restored until then")
    pending: bool = Field(description=PENDING)
    remaining: AmountRead | None = Field(description=REMAINING)

    @classmethod
    def from_deletion(cls, told: MatchDeletion, *, dry_run: bool) -> Self:
        """Return the document of a deletion or of its rehearsal."""
        tally = told.tally
        return cls(
            dry_run=dry_run,
            matched=AmountRead.from_amounts(tally.matched),
            files=tally.files,
            size_bytes=sum(amount.size_bytes for amount in tally.going.values()),
            derived=AmountRead.from_amounts(tally.derived),
            categories={
                category: MatchedCategoryRead.from_tally(tally, category)
                for category in sorted({*tally.matched, *tally.derived})
            },
            results=tally.results,
            kept=ObstacleRead.from_obstacles(tally.obstacles),
            needs=told.needs,
            left=told.left,
            restorable_until=told.restorable_until,
            pending=told.remaining != NOTHING,
            remaining=None if told.remaining is None else AmountRead.from_amount(told.remaining),
        )
