"""Ids that grow with time, and what they tell about when a row was made."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, SQLColumnExpression

MOST_SKEW: Final = timedelta(hours=1)
"""How far the clock that made a row's id may be from the database's, which dated it."""
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_RANDOM_BITS: Final = 80
"""The bits of a UUIDv7 below its milliseconds."""


def first_id(instant: datetime) -> UUID:
    """Return the lowest UUIDv7 that could be made at an instant (RFC 9562)."""
    return UUID(int=max(0, (instant - _EPOCH) // _MILLISECOND) << _RANDOM_BITS)


def made_between(
    row_id: SQLColumnExpression[UUID],
    made_at: SQLColumnExpression[Any],
    after: datetime | None,
    before: datetime | None,
) -> list[ColumnElement[bool]]:
    """Return the conditions of a half-open range of instants.

    Ids are bounded, too: without that, the search for the last match would read a list to its end.
    """
    wanted: list[ColumnElement[bool]] = []
    if after is not None:
        wanted += [made_at >= after, row_id >= first_id(after - MOST_SKEW)]
    if before is not None:
        wanted += [made_at < before, row_id < first_id(before + MOST_SKEW)]
    return wanted
