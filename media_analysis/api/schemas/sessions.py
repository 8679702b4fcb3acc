"""Documents about sessions."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from media_analysis.values import Owner, Seconds


class SessionCreate(
    RequestDocument,
    json_schema_extra={"examples": [{"owner": "alice", "scopes": ["files:read"], "ttl_seconds": 2592000}]},
):
    """Whom a token is for, what it may do and how long."""

    owner: Owner
    role: Role | None = Field(None, description="A set of scopes: `user` (unless others are given) or `admin`, all")
    scopes: list[Scope] | None = Field(None, min_length=1, max_length=len(Scope), description="What it may do, instead")
    ttl_seconds: Seconds

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
