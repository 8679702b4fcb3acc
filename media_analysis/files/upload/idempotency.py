"""Retries of uploads: which upload holds a key, and what it answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base
from media_analysis.db.database import Database
from media_analysis.errors import IdempotencyKeyReused, UploadInFlight
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Registration

END_KEYS: Final = "DELETE FROM idempotency_keys"
_KNOWN = text("""
    SELECT known.file_id, known.fingerprint, known.answer IS NOT NULL AS answered,
        coalesce(extract(epoch FROM file.due_at - now()), 0)::float8 AS lease_left_seconds
    FROM idempotency_keys AS known
    LEFT JOIN media_files AS file ON file.id = known.file_id AND file.state = 'pending'
    WHERE known.owner = :owner AND known.key = :key
""")
_ANSWER = text("""
    SELECT (jsonb_populate_record(NULL::media_files, answer)).*
    FROM idempotency_keys WHERE owner = :owner AND key = :key
""")
_FREE = text("""
    DELETE FROM idempotency_keys WHERE owner = :owner AND key = :key AND file_id = :file_id AND answer IS NULL
""")


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


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An idempotency key in use: by which upload, for what, how long its lease lasts, what it answered."""

    file_id: UUID
    fingerprint: bytes
    lease_left_seconds: float
    answer: MediaFile | None


async def free_key(db: Database, asked: Registration) -> KnownKey | None:
    """Return the upload's key as it is held by an answered upload, or by this one; None once it is free.

    A holder that gave up, or whose lease lapsed, loses it; that one can then no longer be stored.

    Raises:
        IdempotencyKeyReused: it belongs to something else.
        UploadInFlight: its holder may still succeed.

    """
    known = await db.retry(lambda: _find(db, asked))
    if known is None or known.file_id == asked.id:
        return known
    if known.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused
    if known.answer is None:
        if known.lease_left_seconds > 0:
            raise UploadInFlight(retry_after_seconds=int(known.lease_left_seconds) + 1)
        async with db.transaction() as session:
            held = {"owner": asked.owner, "key": asked.idempotency_key, "file_id": known.file_id}
            await session.execute(_FREE, held)
        return None
    return known


async def _find(db: Database, asked: Registration) -> KnownKey | None:
    held = {"owner": asked.owner, "key": asked.idempotency_key}
    async with db.read_only() as session:
        row = (await session.execute(_KNOWN, held)).one_or_none()
        if row is None:
            return None
        answer = (
            (await session.scalars(select(MediaFile).from_statement(_ANSWER), held)).one() if row.answered else None
        )
    return KnownKey(row.file_id, row.fingerprint, row.lease_left_seconds, answer)
