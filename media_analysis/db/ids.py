"""Ids that grow with time: when a row was made, and which one is meant by the beginning or the end of its id."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Index,
    LargeBinary,
    Select,
    SQLColumnExpression,
    Text,
    Update,
    Uuid,
    any_,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

Row = TypeVar("Row")
MOST_SKEW: Final = timedelta(hours=1)
"""How far the clock that made a row's id may be from the database's, which dated it."""
CHUNK: Final = 10_000
"""Rows that one statement changes: a hundred thousand at once would pass the statement timeout."""
BLIND: Final = {"synchronize_session": False}
"""Nobody looks at loaded rows after they were changed so."""
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_RANDOM_BITS: Final = 80
"""The bits of a UUIDv7 below its milliseconds."""
_DIGITS: Final = 32
AGE: Final = "GREATEST(id, id)"
OWN_AGE: Final = "LEAST(id, id)"
"""Ids as indexes of all and of each owner have them: no other index has that order, and is read for it row by row."""
FEWEST_DIGITS: Final = 4
"""Of the beginning or the end of an id; as many as the index of ends holds."""
_END: Final = "substr(uuid_send(id), 15)"
_END_FROM: Final[ColumnElement[int]] = literal_column("15")


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


def index_of_ends(name: str) -> Index:
    """Return the index that finds ids by their last digits: two bytes of each, so that it stays small."""
    return Index(name, text(_END))


def beginning_with(row_id: SQLColumnExpression[UUID], digits: str, *, limit: int) -> Select[UUID]:
    """Return the query for ids that begin with some hexadecimal digits, from the primary key."""
    first, last = (UUID(digits.ljust(_DIGITS, filler)) for filler in "0f")
    return select(row_id).where(row_id.between(first, last)).order_by(row_id).limit(limit)


def ending_with(row_id: SQLColumnExpression[UUID], digits: str, *, limit: int) -> Select[UUID]:
    """Return the query for ids that end with `FEWEST_DIGITS` or more, from the index of ends where there is one."""
    ends_alike = func.substr(func.uuid_send(row_id), _END_FROM, type_=LargeBinary)
    return (
        select(row_id)
        .where(
            ends_alike == bytes.fromhex(digits[-FEWEST_DIGITS:]),
            func.replace(cast(row_id, Text), "-", "").endswith(digits),
        )
        .limit(limit)
    )


async def find_ids(
    session: AsyncSession, row_id: SQLColumnExpression[UUID], digits: str, *, limit: int
) -> Sequence[UUID]:
    """Return at most so many ids that begin or end with some hexadecimal digits, in order; each search stops there."""
    queries = (beginning_with(row_id, digits, limit=limit), ending_with(row_id, digits, limit=limit))
    # Sorted here: a query that asks for an order may be planned by the primary key, past all rows.
    found = [found_id for query in queries for found_id in sorted(await session.scalars(query))]
    return list(dict.fromkeys(found))[:limit]


async def change_in_order(
    session: AsyncSession, change: Update, row_id: SQLColumnExpression[UUID], *which: ColumnElement[bool]
) -> Sequence[UUID]:
    """Lock rows in the order of their ids, change them a chunk after the other, and return their ids.

    Two who wait for many rows in one order never wait for each other in a circle.
    """
    ids = (await session.scalars(select(row_id).where(*which).order_by(row_id).with_for_update())).all()
    for chunk in chunks_of(ids):
        of_chunk = change.where(row_id == any_(literal(chunk, ARRAY(Uuid))))
        await session.execute(of_chunk, execution_options=BLIND)
    return ids


def chunks_of(rows: Sequence[Row], size: int = CHUNK) -> Iterator[Sequence[Row]]:
    """Yield ids, or what else a row is known by, as many at a time as one statement changes."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
