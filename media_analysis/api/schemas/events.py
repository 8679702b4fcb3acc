"""Documents about events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from media_analysis.api.schemas.base import OF_LABELS, RequestDocument
from media_analysis.events.types import EventPatterns, EventType, types_of
from media_analysis.feed.events import EventPlace, EventSelection
from media_analysis.feed.reading import FeedPage
from media_analysis.labels import LabelFilters, parse_filters
from media_analysis.storage.category import Category
from media_analysis.values import Owner

LONGEST_SECONDS = 3_600


def _placed(told: str) -> str:
    EventPlace.parse(told)
    return told


EventId = Annotated[str, Field(max_length=30, pattern=r"^[0-9]{1,19}(-[1-9][0-9]{0,8})?$"), AfterValidator(_placed)]


class FeedQuery(RequestDocument):
    """Which events are wanted, and from where on; unknown parameters are refused."""

    type: EventPatterns | None = Field(
        None, description="Of these types: `job.completed`, `file.*`, `job.*`; several are any of them"
    )
    category: list[Category] | None = Field(None, max_length=len(Category), description="Of files of these categories")
    label: LabelFilters | None = Field(None, description=OF_LABELS)
    job_id: UUID | None = Field(None, description="Of this job, and of the files it made")
    file_id: UUID | None = Field(None, description="Of this file")
    owner: Owner | None = Field(None, description="Administrators only; others are told of their own")
    last_event_id: EventId | None = Field(
        None, description="Behind this event; `0` is all that is kept, and without one it begins now"
    )
    limit: int = Field(200, ge=1, le=1_000, description="How many events a page has at the most; streams have no pages")
    timeout: float | None = Field(
        None, ge=0, le=LONGEST_SECONDS, description="After how many seconds the stream ends; 0 tells what there is"
    )

    def wanted(self, *, scope: str | None, of_jobs: bool) -> EventSelection:
        """Return what is wanted by a caller who may see `scope`, everybody's if None, and maybe jobs."""
        types = types_of(self.type or ["*"])
        owner = scope or self.owner
        return EventSelection(
            owners=None if owner is None else frozenset({owner}),
            types=frozenset(each for each in types if of_jobs or not each.is_of_jobs),
            categories=frozenset(self.category or ()),
            labels=parse_filters(self.label or ()),
            job_id=self.job_id,
            file_id=self.file_id,
        )


class FeedEvent(BaseModel):
    """One thing that happened to one file or job."""

    id: str = Field(description="Its place in the log; events of one file or job are in the order of what happened")
    type: EventType
    at: datetime
    owner: str
    file_id: UUID | None
    job_id: UUID | None = Field(description="The job, or the one that the file is of")
    category: Category | None
    labels: dict[str, str] = Field(description="What the file or job is labelled with now, or was in the end")
    data: dict[str, Any] = Field(description="What is known of the file or job, and what happened to it")


class FeedEventList(BaseModel):
    """Some events in their order."""

    items: Sequence[FeedEvent]
    last_event_id: str = Field(description="Where to go on, also where there are no events")

    @classmethod
    def from_page(cls, page: FeedPage) -> Self:
        """Return the document of a page."""
        items = [FeedEvent(**event.document()) for event in page.events]
        return cls(items=items, last_event_id=str(page.after))
