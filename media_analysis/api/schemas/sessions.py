"""Documents about sessions."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.sessions.models import Role
from media_analysis.values import Owner, Seconds


class SessionCreate(
    RequestDocument, json_schema_extra={"examples": [{"owner": "alice", "role": "user", "ttl_seconds": 2592000}]}
):
    """Whom a token is for, what it may do and how long."""

    owner: Owner
    role: Role = Role.USER
    ttl_seconds: Seconds


class SessionUpdate(RequestDocument, json_schema_extra={"examples": [{"ttl_seconds": 2592000}]}):
    """A new end for a session, counted from now."""

    ttl_seconds: Seconds


class SessionRead(ReadModel):
    """A session without its token."""

    id: UUID
    owner: str
    role: Role
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
