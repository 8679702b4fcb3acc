"""The rows of links, and of the keys that sign them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base, native_enum

END_LINKS: Final = "DELETE FROM links"
END_LINK_KEYS: Final = "DELETE FROM link_keys"
_LIVING: Final = text("revoked_at IS NULL AND used_at IS NULL")


class LinkKind(StrEnum):
    """What a link is good for."""

    DOWNLOAD = "download"
    UPLOAD = "upload"


class LinkDisposition(StrEnum):
    """What a browser does with what it reads by a link (RFC 6266)."""

    ATTACHMENT = "attachment"
    INLINE = "inline"


class LinkKey(Base):
    """What signs links; it is as old as it says, and no link of it is good once it has ended."""

    __tablename__ = "link_keys"
    __table_args__ = (CheckConstraint("octet_length(secret) = 32", name="secret_has_256_bits"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class Link(Base):
    """An address for one file; its signature is not stored, and nobody can be told it a second time."""

    __tablename__ = "links"
    __table_args__ = (
        CheckConstraint(
            "CASE kind WHEN 'download' THEN file_id IS NOT NULL AND disposition IS NOT NULL "
            "AND wish IS NULL AND max_bytes IS NULL "
            "ELSE wish IS NOT NULL AND max_bytes > 0 AND disposition IS NULL END",
            name="kind_says_what_is_known",
        ),
        Index("ix_links_owner", "owner", "id"),
        Index("ix_links_owner_living", "owner", "expires_at", postgresql_where=_LIVING),
        Index("ix_links_file", "file_id", "id", postgresql_where=text("file_id IS NOT NULL")),
        Index("ix_links_key", "key_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[LinkKind] = mapped_column(native_enum(LinkKind))
    owner: Mapped[str]
    """Whose the file is, or will be."""
    key_id: Mapped[UUID] = mapped_column(ForeignKey("link_keys.id"))
    session_id: Mapped[UUID]
    """The session that made it, which it does not outlive."""
    created_by: Mapped[str]
    file_id: Mapped[UUID | None]
    """Of a download its file; of an upload the file it has become, or that somebody is bringing."""
    disposition: Mapped[LinkDisposition | None] = mapped_column(native_enum(LinkDisposition))
    wish: Mapped[dict[str, Any] | None]
    """What its maker says of the file that is to be brought, as `upload_of` reads it."""
    max_bytes: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    """When the file was stored that was brought; then nobody brings another."""
