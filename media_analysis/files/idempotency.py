"""The rows of upload retries."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base


class IdempotencyKey(Base):
    """An upload that may be asked for again within a day and must then be answered as before."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expires_at", "expires_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    file_id: Mapped[UUID]
    """The upload that holds the key now."""
    fingerprint: Mapped[bytes]
    """SHA-256 of the request's parameters, without its body."""
    answer: Mapped[dict[str, Any] | None]
    """The file as it was answered; NULL while the upload is in flight."""
    expires_at: Mapped[datetime]
