"""Who may ask: one row per bearer token."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum
from media_analysis.db.ids import index_of_ends
from media_analysis.sessions.roles import SCOPES, Role, Scope

__all__ = [
    "Role",
    "UserSession",
]


class UserSession(Base):
    """A bearer token's owner, what it may do and its end; the token itself is never stored."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash_is_sha256"),
        CheckConstraint("cardinality(own_scopes) > 0", name="own_scopes_not_empty"),
        CheckConstraint("cardinality(categories) > 0 AND cardinality(labels) > 0", name="limits_not_empty"),
        index_of_ends("ix_user_sessions_id_end"),
        Index("ix_user_sessions_owner", "owner", "id"),
        Index("ix_user_sessions_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("uq_user_sessions_token_hash", "token_hash", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    role: Mapped[Role] = mapped_column(native_enum(Role))
    own_scopes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """What it may do; NULL is what its role says."""
    categories: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Which files it reaches, by category; NULL is all."""
    labels: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Which files it reaches: those that have all of these; NULL is all."""
    parent_id: Mapped[UUID | None]
    """The session whose token somebody signed in with, and with which this one ends."""
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    @property
    def scopes(self) -> list[Scope]:
        """What it may do, in the order in which scopes are told."""
        granted = granted_scopes(self.role, self.own_scopes)
        return [scope for scope in Scope if scope in granted]


def granted_scopes(role: Role, own: Collection[str] | None) -> frozenset[Scope]:
    """Return what a session may do by its role, or by scopes of its own."""
    return SCOPES[role] if own is None else frozenset(map(Scope, own))
