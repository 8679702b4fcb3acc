"""What is known of a resumable upload: what its client said of it, what came, and what became of that."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from media_analysis.errors import ObjectMissing, UploadGone
from media_analysis.files.expiry import Expiry
from media_analysis.files.resumable.models import PARTIAL
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.service import Upload
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore


@dataclass(frozen=True, slots=True)
class KnownUpload:
    """A resumable upload as it is: what was said of it, what came, and what became of that."""

    id: UUID
    owner: str
    upload: Upload
    metadata: str
    concat: str | None
    joined_id: UUID | None
    length_bytes: int | None
    offset_bytes: int
    created_at: datetime
    ends_at: datetime
    is_over: bool
    is_finished: bool
    file_state: FileState | None
    key: str | None
    media_type: str | None

    @property
    def is_partial(self) -> bool:
        """Whether it is only there to be joined with others."""
        return self.concat == PARTIAL

    @property
    def is_whole(self) -> bool:
        """Whether all of its bytes are durable."""
        return self.offset_bytes == self.length_bytes

    @property
    def is_stored(self) -> bool:
        """Whether it has become a file."""
        return self.file_state not in {None, FileState.PENDING}

    @property
    def is_unsettled(self) -> bool:
        """Whether it is all here, and should be a file, or a part that can be joined."""
        return self.is_whole and not (self.is_finished if self.is_partial else self.is_stored)

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is there any more, or soon will be."""
        came = self.offset_bytes > 0 or (self.is_finished and not self.is_partial)
        return not self.is_stored and (self.is_over or (self.file_state is None and came))

    def registration(self, key: str, media_type: str) -> Registration:
        """Return what is registered of it, as its pending file lies there."""
        said = self.upload
        return Registration(
            id=self.id,
            owner=self.owner,
            category=said.category,
            key=key,
            filename=said.filename,
            media_type=media_type,
            job_id=said.job_id,
            parent_id=said.parent_id,
            labels=said.labels,
        )


@asynccontextmanager
async def gone_if_missing(known: KnownUpload, store: ObjectStore) -> AsyncIterator[None]:
    """Say that an upload is gone where the block misses its object: only the deleter removes names.

    Raises:
        UploadGone: the object is gone.
        MarkerMismatch: nobody knows, for the store itself is not there.

    """
    try:
        yield
    except ObjectMissing as error:
        await store.require_marker()
        raise UploadGone(known.id, ended_at=known.ends_at) from error


def wish_of(upload: Upload) -> dict[str, Any]:
    """Return what a client says of a file, as it is kept."""
    expiry = upload.expiry
    return {
        "category": upload.category.value,
        "filename": upload.filename,
        "declared_type": upload.declared_type,
        "job_id": upload.job_id and str(upload.job_id),
        "parent_id": upload.parent_id and str(upload.parent_id),
        "labels": upload.labels and dict(upload.labels),
        "expiry": expiry and {"at": expiry.at and expiry.at.isoformat(), "lifetime_seconds": expiry.lifetime_seconds},
    }


def upload_of(owner: str, wish: dict[str, Any], length_bytes: int | None) -> Upload:
    """Return what a client said of a file."""
    return Upload(
        owner=owner,
        category=Category(wish["category"]),
        filename=wish["filename"],
        declared_type=wish["declared_type"],
        declared_bytes=length_bytes,
        expiry=_expiry_of(wish["expiry"]),
        job_id=_id_of(wish["job_id"]),
        parent_id=_id_of(wish["parent_id"]),
        labels=wish.get("labels"),
    )


def _id_of(told: str | None) -> UUID | None:
    return None if told is None else UUID(told)


def _expiry_of(told: dict[str, Any] | None) -> Expiry | None:
    if told is None:
        return None
    at, seconds = told["at"], told["lifetime_seconds"]
    return Expiry(
        at=None if at is None else datetime.fromisoformat(at),
        lifetime=None if seconds is None else timedelta(seconds=seconds),
    )


def known_of(row: Any) -> KnownUpload:
    """Return the upload that a row of both tables tells of."""
    return KnownUpload(
        id=row.id,
        owner=row.owner,
        upload=upload_of(row.owner, row.wish, row.length_bytes),
        metadata=row.metadata_text,
        concat=row.concat,
        joined_id=row.joined_id,
        length_bytes=row.length_bytes,
        offset_bytes=row.offset_bytes,
        created_at=row.created_at,
        ends_at=row.ends_at,
        is_over=row.is_over,
        is_finished=row.is_finished,
        file_state=None if row.file_state is None else FileState(row.file_state),
        key=row.key,
        media_type=row.media_type,
    )
