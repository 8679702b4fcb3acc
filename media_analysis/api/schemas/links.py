"""Documents about links."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from pydantic import Field

from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.schemas.base import Hex, ReadModel, RequestDocument
from media_analysis.api.schemas.files import FileEnd
from media_analysis.files.links.models import Link, LinkDisposition, LinkKind
from media_analysis.files.links.service import LinkPage
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.labels import Labels
from media_analysis.storage.category import Category
from media_analysis.units import LARGEST_SIZE
from media_analysis.values import Filename, Seconds

UNNAMED: Final = "unnamed"
_FOR: Final = "For how many seconds it is good; an hour unless said, and never longer than the session that makes it"


class LinkCreate(RequestDocument, json_schema_extra={"examples": [{"expires_in": 3600}]}):
    """How long a link is good, and what a browser does with what it leads to."""

    expires_in: Seconds | None = Field(None, description=_FOR)
    disposition: LinkDisposition = Field(
        LinkDisposition.ATTACHMENT,
        description="What a browser does with it; `inline`, to show it, is for pictures, films and sound only",
    )

    def lifetime(self) -> timedelta | None:
        """Return how long it is to be good, None where nobody said."""
        return _span(self.expires_in)


class UploadLinkCreate(
    FileEnd,
    json_schema_extra={"examples": [{"category": "uploads", "max_bytes": 1073741824, "expires_in": 86400}]},
):
    """What the file is to be that somebody brings: all of it is said here, and nothing by whoever brings it."""

    category: Category
    max_bytes: int = Field(ge=1, le=LARGEST_SIZE, description="How large it may be")
    filename: Filename | None = Field(None, description="What it is called; else the last part of the address says")
    labels: Labels | None = None
    expires_in: Seconds | None = Field(None, description=_FOR)

    def lifetime(self) -> timedelta | None:
        """Return how long the link is to be good, None where nobody said."""
        return _span(self.expires_in)

    def upload(self, owner: str, labels: Mapping[str, str] | None) -> Upload:
        """Return what is to be uploaded for an owner; a name that is not said is empty."""
        filename, expiry = self.filename or "", self.expiry()
        return Upload(owner=owner, category=self.category, filename=filename, expiry=expiry, labels=labels)


class LinkQuery(PageQuery):
    """Which links a list shows."""

    file_id: UUID | None = Field(None, description="Those to this file, or by which it came")


class LinkRead(ReadModel):
    """A link without what proves it."""

    id: UUID
    kind: LinkKind
    owner: str
    created_by: str
    session_id: UUID = Field(description="The session that made it, with which it ends")
    file_id: UUID | None = Field(description="Its file; of one for an upload the file that came, or is coming")
    disposition: LinkDisposition | None = Field(description="What a browser does with the file it reads")
    max_bytes: int | None = Field(description="How large the file may be that is brought")
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="When the file was stored that was brought")


class LinkCreated(LinkRead):
    """A new link with its address, shown this once."""

    url: str = Field(description="Whoever has it needs no token; it cannot be read again")

    @classmethod
    def from_link(cls, link: Link, url: str) -> Self:
        """Return the document of a new link."""
        return cls(**LinkRead.model_validate(link).model_dump(), url=url)


class LinkList(ReadModel):
    """One page of links, newest first."""

    items: list[LinkRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: LinkPage) -> Self:
        """Return the document of a page."""
        items = list(map(LinkRead.model_validate, page.links))
        return cls(items=items, next_cursor=encode_cursor(page.next_before))


class ReceivedRead(ReadModel):
    """What came, for whoever brought it to compare."""

    size_bytes: int
    sha256: Hex

    @classmethod
    def from_file(cls, file: MediaFile) -> Self:
        """Return what is told of a stored file."""
        return cls.model_validate(file)


class LinkKeyRotate(RequestDocument, json_schema_extra={"examples": [{"end_links": False}]}):
    """Whether links that older keys have signed end at once."""

    end_links: bool = False


class LinkKeyRead(ReadModel):
    """A key that signs links, or has signed some that are still known; what it signs with is told nobody."""

    id: UUID
    created_at: datetime
    ended_at: datetime | None = Field(description="Since when no link of it is good")


class LinkKeyList(ReadModel):
    """The keys, newest first; the first that has not ended signs new links."""

    items: list[LinkKeyRead]


def _span(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
