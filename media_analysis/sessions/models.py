"""Who may ask: one row per bearer token."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum
from media_analysis.db.ids import index_of_ends
from media_analysis.sessions.roles import Role

__all__ = [
    "Role",
    "UserSession",
]


class UserSession(Base):
    """A bearer token's owner, role and end; the token itself is never stored."""

    __tablename__ = "user_sessions"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash_is_sha256"),
        index_of_ends("ix_user_sessions_id_end"),
        Index("ix_user_sessions_owner", "owner", "id"),
        Index("uq_user_sessions_token_hash", "token_hash", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner: Mapped[str]
    role: Mapped[Role] = mapped_column(native_enum(Role))
    token_hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
