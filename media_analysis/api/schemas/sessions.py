"""Documents about sessions."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.sessions.limits import Limit, parse_limit_labels
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from media_analysis.storage.category import Category
from media_analysis.values import Owner, Seconds


def _parsed(told: list[str]) -> list[str]:
    parse_limit_labels(told)
    return told


LimitLabels = Annotated[list[str], AfterValidator(_parsed)]


class SessionCreate(
    RequestDocument,
    json_schema_extra={"examples": [{"owner": "alice", "scopes": ["files:read"], "ttl_seconds": 2592000}]},
):
    """Whom a token is for, what it may do and how long."""

    owner: Owner
    role: Role | None = Field(None, description="A set of scopes: `user` (unless others are given) or `admin`, all")
    scopes: list[Scope] | None = Field(None, min_length=1, max_length=len(Scope), description="What it may do, instead")
    categories: list[Category] | None = Field(
        None, min_length=1, max_length=len(Category), description="Limits it to files of these; wants `scopes` of files"
    )
    labels: LimitLabels | None = Field(
        None,
        min_length=1,
        description="Limits it to files with all of these, such as `camera:north` or `camera`; wants `scopes` of files",
    )
    ttl_seconds: Seconds

    def limit(self) -> Limit | None:
        """Return the files it is to be limited to, None for all."""
        return Limit.of(self.categories, self.labels)

    @model_validator(mode="after")
    def _said_once(self) -> Self:
        if self.role is not None and self.scopes is not None:
            raise ValueError("role and scopes exclude each other")
        if self.scopes is not None and len(set(self.scopes)) < len(self.scopes):
            raise ValueError("a scope is given twice")
        return self


class SessionUpdate(RequestDocument, json_schema_extra={"examples": [{"ttl_seconds": 2592000}]}):
    """A new end for a session, counted from now."""

    ttl_seconds: Seconds


class SessionRead(ReadModel):
    """A session without its token."""

    id: UUID
    owner: str
    role: Role = Field(description="Whose files it reaches: its owner's, or everybody's")
    scopes: list[Scope] = Field(description="What it may do")
    categories: list[Category] | None = Field(description="The categories of the files it is limited to; null is all")
    labels: list[str] | None = Field(description="Labels that the files have it is limited to; null is none")
    parent_id: UUID | None = Field(description="The session a browser signed in with, and with which this one ends")
    created_at: datetime
    last_seen_at: datetime | None
    expires_at: datetime
    revoked_at: datetime | None


class SessionCreated(SessionRead):
    """A new session with its token, shown this once."""

    token: str = Field(description="Send as `Authorization: Bearer …`; it cannot be read again")


class SessionList(ReadModel):
    """One page of sessions, newest first."""

    items: list[SessionRead]
    next_cursor: str | None
