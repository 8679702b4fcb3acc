"""What sessions may do."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """One thing a session may do, of its owner's unless it is an administrator's (RFC 6749 section 3.3)."""

    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    """Upload and change files."""
    FILES_DELETE = "files:delete"
    JOBS = "jobs"
    """Jobs, their results and archives."""
    RETENTION = "retention"
    """Hold, release and restore; see what was deleted."""
    WEBHOOKS = "webhooks"
    """Keep webhooks, which tell of all files and jobs."""
    STORAGE = "storage"
    """Run the store: sweeps, plans, pauses, pressure and policies, of everybody's files."""
    ADMIN = "admin"
    """All of that, for everybody's, and sessions, audit and records besides."""


class Role(StrEnum):
    """What a session may do: its owner's files, or everything."""

    USER = "user"
    ADMIN = "admin"


SCOPES: Final[Mapping[Role, frozenset[Scope]]] = {
    Role.USER: frozenset(Scope) - {Scope.STORAGE, Scope.ADMIN},
    Role.ADMIN: frozenset(Scope),
}
"""What a session may do by its role, unless it was made with scopes of its own."""
