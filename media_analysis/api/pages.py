"""Keyset pages: a cursor is the last id of a page, opaque to clients and harmless when forged."""

import base64
import binascii
from uuid import UUID

from pydantic import Field

from media_analysis.api.schemas.fields import Document
from media_analysis.errors import InvalidRequest


class PageQuery(Document):
    """Which page of a list is wanted; unknown parameters are refused, for a mistyped filter must not widen a list."""

    limit: int = Field(100, ge=1, le=1_000, description="How many items at the most")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")

    def before(self) -> UUID | None:
        """Return the id below which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours.

        """
        return decode_cursor(self.cursor)


def encode_cursor(before: UUID | None) -> str | None:
    """Return the cursor of the page that begins below `before`."""
    return None if before is None else base64.urlsafe_b64encode(before.bytes).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> UUID | None:
    """Return the id a cursor stands for.

    Raises:
        InvalidRequest: it is no cursor of ours. A forged id only names another place in the caller's own list.

    """
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.b64decode(cursor.encode("ascii") + b"==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise InvalidRequest("cursor", "not a cursor of this service") from error
