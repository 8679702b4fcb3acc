"""Documents about resumable uploads."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import Field

from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.base import ReadModel
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.resumable.service import UploadPage
from media_analysis.storage.category import Category


class UploadRead(ReadModel):
    """An upload in pieces, as its owner sees it."""

    id: UUID = Field(description="Also that of the file it becomes")
    owner: str
    category: Category
    filename: str
    labels: dict[str, str]
    size_bytes: int | None = Field(description="How much it has in all; null while that is yet to be said")
    received_bytes: int = Field(description="How much of it is durable; it goes on there")
    is_partial: bool = Field(description="Only there to be joined with others")
    file_id: UUID | None = Field(description="The file it became; null while it is none")
    created_at: datetime
    expires_at: datetime = Field(description="When it is given up unless more comes; of a file's, when it is forgotten")

    @classmethod
    def from_upload(cls, known: KnownUpload) -> Self:
        """Describe an upload."""
        return cls(
            id=known.id,
            owner=known.owner,
            category=known.upload.category,
            filename=known.upload.filename,
            labels=dict(known.upload.labels or {}),
            size_bytes=known.length_bytes,
            received_bytes=known.offset_bytes,
            is_partial=known.is_partial,
            file_id=known.id if known.is_stored else None,
            created_at=known.created_at,
            expires_at=known.ends_at,
        )


class UploadList(ReadModel):
    """One page of uploads under way, newest first."""

    items: list[UploadRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: UploadPage) -> Self:
        """Describe a page."""
        found = [UploadRead.from_upload(known) for known in page.uploads]
        return cls(items=found, next_cursor=encode_cursor(page.next_before))
