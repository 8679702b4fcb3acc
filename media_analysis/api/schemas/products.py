"""Documents about the files of a job."""

import struct
from typing import Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.pages import decode_place, encode_place
from media_analysis.api.schemas.base import RequestDocument
from media_analysis.api.schemas.files import FileRead
from media_analysis.files.products import ProductFilter, ProductPage, ProductPosition
from media_analysis.storage.category import Category

_CATEGORIES: Final = tuple(Category)
_POSITION: Final = struct.Struct(">Bq16s")
_UNNUMBERED: Final = -1
Role = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$", description="Such as `frame` or `contact_sheet`")]


class JobFilesQuery(RequestDocument):
    """Which files of a job a list shows, and which page of it; unknown parameters are refused."""

    limit: int = Field(100, ge=1, le=1_000, description="How many items at the most")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")
    category: Category | None = None
    role: Role | None = None

    def wanted(self, job_id: UUID, *, scope: str | None) -> ProductFilter:
        """Return the filter for a caller who may see `scope`, everybody's files if None."""
        return ProductFilter(job_id=job_id, owner=scope, category=self.category, role=self.role)

    def after(self) -> ProductPosition | None:
        """Return the position behind which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours.

        """
        return None if self.cursor is None else decode_position(self.cursor)


class JobFileList(BaseModel):
    """One page of a job's files by category, then in time order."""

    items: list[FileRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: ProductPage) -> Self:
        """Return the document of a page."""
        items = [FileRead.model_validate(file) for file in page.files]
        return cls(items=items, next_cursor=None if page.next_after is None else encode_position(page.next_after))


def encode_position(position: ProductPosition) -> str:
    """Return the cursor of the page that begins behind a position."""
    ordinal = _UNNUMBERED if position.ordinal is None else position.ordinal
    packed = _POSITION.pack(_CATEGORIES.index(position.category), ordinal, position.id.bytes)
    return encode_place(packed)


def decode_position(cursor: str) -> ProductPosition:
    """Return the position a cursor stands for.

    Raises:
        InvalidRequest: it is no cursor of ours. A forged one only names another place among the same job's files.

    """
    return decode_place(cursor, _unpack)


def _unpack(packed: bytes) -> ProductPosition:
    category, ordinal, file_id = _POSITION.unpack(packed)
    return ProductPosition(_CATEGORIES[category], None if ordinal < 0 else ordinal, UUID(bytes=file_id))
