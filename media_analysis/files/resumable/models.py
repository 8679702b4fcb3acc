"""The rows of resumable uploads: what was said of each, and how much of it is durable."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base

PARTIAL: Final = "partial"
END_UPLOADS: Final = "DELETE FROM resumable_uploads"
_UNFINISHED: Final = text("NOT is_finished")


class ResumableUpload(Base):
    """An upload in pieces; its pending file, of the same id, is made when the first byte comes."""

    __tablename__ = "resumable_uploads"
    __table_args__ = (
        CheckConstraint("offset_bytes >= 0 AND offset_bytes <= length_bytes", name="offset_within_length"),
        Index("ix_resumable_uploads_owner", "owner", "id", postgresql_where=_UNFINISHED),
        Index("ix_resumable_uploads_unfinished", "id", postgresql_where=_UNFINISHED),
        Index("ix_resumable_uploads_ends_at", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """Also that of the file it becomes."""
    owner: Mapped[str]
    wish: Mapped[dict[str, Any]]
    """What the client says of the file, as `upload_of` reads it."""
    metadata_text: Mapped[str]
    """The same as the client wrote it, which is what it is told again."""
    concat: Mapped[str | None]
    """`partial` for what others are made of; what it was made of itself, as the client wrote that; NULL for most."""
    joined_id: Mapped[UUID | None]
    """The upload it has become a part of."""
    length_bytes: Mapped[int | None]
    """NULL while the client has yet to say."""
    offset_bytes: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """How many of its bytes are durable."""
    fence: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """The request that goes on with it; an earlier one makes nothing durable any more."""
    is_finished: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    """Whether nothing is to come any more; of one that was stored a moment before a crash it may say false."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ends_at: Mapped[datetime]
    """When it is given up unless more comes; when it is forgotten if all came."""
