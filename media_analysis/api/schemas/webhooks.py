"""Documents about webhooks and their deliveries."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from media_analysis.api.pages import PageQuery, decode_place, encode_place
from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.events.types import EventPatterns
from media_analysis.labels import LabelFilters, Labels
from media_analysis.outbound.addresses import LONGEST_URL
from media_analysis.webhooks.log import DeliveryPage, DeliveryState
from media_analysis.webhooks.models import Delivery, Webhook

PLACE_BYTES: Final = 16
_LARGEST: Final = 2**63 - 1


def _printable(url: str) -> str:
    if not url.isascii() or not url.isprintable():
        raise ValueError("not a web address")
    return url


def _as_filters(told: object) -> object:
    if isinstance(told, dict) and all(isinstance(text, str) for text in told.values()):
        return [f"{key}:{value}" for key, value in told.items()]
    return told


Url = Annotated[str, Field(min_length=1, max_length=LONGEST_URL), AfterValidator(_printable)]
OF_EVENTS: Final = "Types of events such as `job.completed`, `file.*`, `*`"
OF_LABELS: Final = "Filters by label as lists have them, or labels as files have them, all of which have to hold"
WantedLabels = Annotated[LabelFilters, BeforeValidator(_as_filters, json_schema_input_type=LabelFilters | Labels)]


class WebhookCreate(
    RequestDocument,
    json_schema_extra={"examples": [{"url": "https://example.com/hook", "events": ["job.completed", "file.*"]}]},
):
    """Where to tell of which events."""

    url: Url = Field(description="https, on the Internet, without a user; redirects are not followed")
    events: EventPatterns = Field(description=OF_EVENTS)
    labels: WantedLabels = Field(default_factory=list, description=OF_LABELS)


class WebhookUpdate(RequestDocument, json_schema_extra={"examples": [{"enabled": True}]}):
    """What of a webhook is to be otherwise."""

    url: Url | None = None
    events: EventPatterns | None = Field(None, description=OF_EVENTS)
    labels: WantedLabels | None = Field(None, description=OF_LABELS)
    enabled: bool | None = Field(None, description="Whether it is told; what happened while it was not never is")

    @model_validator(mode="after")
    def _says_something(self) -> "WebhookUpdate":
        if not self.model_dump(exclude_none=True):
            raise ValueError("nothing is to be otherwise")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the columns that change."""
        return self.model_dump(exclude={"enabled"}, exclude_none=True)


class WebhookRead(ReadModel):
    """A webhook without its secret."""

    id: UUID
    owner: str
    url: str
    events: list[str]
    labels: list[str]
    enabled: bool
    created_at: datetime
    old_secret_until: datetime | None = Field(description="Until when the secret before this one is signed with, too")
    failing_since: datetime | None = Field(description="Since when nothing was taken")
    disabled_at: datetime | None
    disabled_reason: str | None = Field(
        description="`requested`, `failing` for days, `gone` (it answered 410), `too_many_waiting`"
    )

    @classmethod
    def of(cls, webhook: Webhook) -> "WebhookRead":
        """Return the document of a webhook."""
        told = {name: getattr(webhook, name) for name in WebhookRead.model_fields if name != "enabled"}
        return cls(**told, enabled=webhook.disabled_at is None)


class WebhookSecretRead(WebhookRead):
    """A webhook with its secret, shown this once."""

    secret: str = Field(description="What deliveries are signed with (Standard Webhooks); it cannot be read again")

    @classmethod
    def with_secret(cls, webhook: Webhook) -> "WebhookSecretRead":
        """Return the document of a webhook whose secret was just made."""
        return cls(**WebhookRead.of(webhook).model_dump(), secret=webhook.secret)


class WebhookList(ReadModel):
    """One page of webhooks, newest first."""

    items: list[WebhookRead]
    next_cursor: str | None


class DeliveryListQuery(PageQuery):
    """Which deliveries a list shows."""

    state: DeliveryState | None = None

    def below(self) -> int | None:
        """Return the position below which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours.

        """
        return None if self.cursor is None else decode_place(self.cursor, _position)


def _position(place: bytes) -> int:
    position = int.from_bytes(place, signed=True)
    if len(place) != PLACE_BYTES or not 0 <= position <= _LARGEST:
        raise ValueError("no position")
    return position


class DeliveryRead(ReadModel):
    """One event on its way to one webhook, or what became of it."""

    id: UUID
    message_id: str = Field(description="`webhook-id` of every attempt, and the id of the event")
    type: str
    subject: str
    state: DeliveryState
    created_at: datetime
    attempts: int
    due_at: datetime | None = Field(description="When it is sent next")
    ended_at: datetime | None = Field(description="When it was taken, or given up")
    last_attempt_at: datetime | None
    last_status: int | None = Field(description="The status of the last answer; null where nobody answered")
    last_error: str | None = Field(description="Why it was not taken, and the beginning of the answer")
    last_seconds: float | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryRead":
        """Return the document of a delivery."""
        told = {name: getattr(delivery, name) for name in cls.model_fields if name != "state"}
        return cls(**told, state=_state(delivery))


def _state(delivery: Delivery) -> DeliveryState:
    if delivery.due_at is not None:
        return DeliveryState.WAITING
    return DeliveryState.DELIVERED if delivery.delivered else DeliveryState.DEAD


class DeliveryList(BaseModel):
    """One page of deliveries, newest first."""

    items: list[DeliveryRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: DeliveryPage) -> "DeliveryList":
        """Return the document of a page."""
        below = page.next_below
        cursor = None if below is None else encode_place(below.to_bytes(PLACE_BYTES, signed=True))
        return cls(items=[DeliveryRead.of(each) for each in page.deliveries], next_cursor=cursor)
