"""Keyset pages: a cursor is the last id of a page, opaque to clients and harmless when forged."""

import base64
import binascii
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from pydantic import Field

from media_analysis.api.schemas.base import RequestDocument
from media_analysis.errors import InvalidRequest

Place = TypeVar("Place")
_MOMENT: Final = struct.Struct(">q16s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class PageQuery(RequestDocument):
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
    return None if before is None else encode_place(before.bytes)


def decode_cursor(cursor: str | None) -> UUID | None:
    """Return the id a cursor stands for.

    Raises:
        InvalidRequest: it is no cursor of ours. A forged id only names another place in the caller's own list.

    """
    return None if cursor is None else decode_place(cursor, lambda place: UUID(bytes=place))


def encode_place(place: bytes) -> str:
    """Return the cursor of a place in a list whose order is not that of ids alone."""
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def encode_moment(at: datetime, row_id: UUID) -> str:
    """Return the cursor of a place in a list that is ordered by an instant and an id."""
    return encode_place(_MOMENT.pack((at - _EPOCH) // _MICROSECOND, row_id.bytes))


def decode_moment(cursor: str) -> tuple[datetime, UUID]:
    """Return the instant and the id that a cursor stands for.

    Raises:
        InvalidRequest: it is no cursor of ours.

    """
    return decode_place(cursor, _unpack_moment)


def _unpack_moment(packed: bytes) -> tuple[datetime, UUID]:
    microseconds, row_id = _MOMENT.unpack(packed)
    if microseconds < 0:
        raise ValueError("nothing is listed by what was so long ago")
    return _EPOCH + microseconds * _MICROSECOND, UUID(bytes=row_id)


def decode_place(cursor: str, unpack: Callable[[bytes], Place]) -> Place:
    """Return the place a cursor stands for, as `unpack` understands its bytes.

    Raises:
        InvalidRequest: it is no cursor of ours. A forged place is another one in the caller's own list.

    """
    try:
        return unpack(base64.b64decode(cursor.encode("ascii") + b"==", altchars=b"-_", validate=True))
    except (ValueError, OverflowError, IndexError, binascii.Error, struct.error) as error:
        raise InvalidRequest("cursor", "not a cursor of a list in this order") from error
