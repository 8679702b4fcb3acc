"""Finding what is due, or oldest, by index alone, and locking it for the transaction that acts on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.files.dates import held_until
from media_analysis.storage.category import Category


@dataclass(frozen=True, slots=True)
class DuePosition:
    """A place in the order in which a category falls due."""

    due_at: datetime
    id: UUID


class DueFile(NamedTuple):
    """What a decision and a purge need, and no more: a sweep reads a million of these."""

    id: UUID
    state: str
    key: str
    size_bytes: int
    expires_at: datetime | None
    expiry_explicit: bool
    min_retain_until: datetime | None
    held_until: datetime | None
    """Its own hold or its job's, whichever lasts longer."""
    leased_until: datetime | None
    due_at: datetime | None
    trash_ends_at: datetime | None
    trash_rule: str | None

    @property
    def job_held_until(self) -> datetime | None:
        """None: a job's hold is part of `held_until` here."""
        return None

    @property
    def position(self) -> DuePosition:
        """Where it stands among what is due; only a due file has a place."""
        if self.due_at is None:
            raise ValueError(f"{self.id} is not due")
        return DuePosition(self.due_at, self.id)


FACTS: Final = f"""
    id, state::text, key, coalesce(size_bytes, 0), expires_at, expiry_explicit, min_retain_until,
    CASE {held_until()} WHEN 'infinity' THEN TIMESTAMPTZ '9999-12-31 23:59:59.999999+00' ELSE {held_until()} END,
    leased_until, due_at, trash_ends_at, trash_rule::text
"""
"""The columns of a `DueFile`; of `infinity` the driver would make an instant without a zone."""

# The bound (due_at, id) > (…) keeps every batch off the index entries that the batches before it left dead.
_DUE_FROM: Final = """
    FROM media_files
    WHERE category = CAST(:category AS category) AND due_at <= :now AND (due_at, id) > (:after_at, :after_id)
"""
_PENDING_ONLY: Final = "AND state = 'pending'"
_IN_ORDER: Final = "ORDER BY due_at, id LIMIT :limit"
START: Final = DuePosition(datetime.fromisoformat("0001-01-01T00:00:00+00:00"), UUID(int=0))


def _due(*, only_pending: bool, lock: bool) -> TextClause:
    sql = f"SELECT {FACTS} {_DUE_FROM} {_PENDING_ONLY if only_pending else ''} {_IN_ORDER}"
    return text(f"{sql} FOR UPDATE SKIP LOCKED" if lock else sql)


DUE: Final = {
    (only_pending, lock): _due(only_pending=only_pending, lock=lock)
    for only_pending in (False, True)
    for lock in (False, True)
}
"""The claim, by (only pending uploads, with row locks)."""

_ONE_FILE: Final = f"""
    SELECT category, owner, {FACTS} FROM media_files
    WHERE id = :id AND owner = coalesce(CAST(:owner AS text), owner)
"""  # noqa: S608 - constants
_GET_FACTS = text(_ONE_FILE).columns(category=CATEGORY)
_LOCK_FILE = text(f"{_ONE_FILE} FOR UPDATE").columns(category=CATEGORY)


async def list_due(
    session: AsyncSession,
    category: Category,
    *,
    now: datetime,
    after: DuePosition | None,
    limit: int,
    only_pending: bool = False,
    lock: bool = False,
) -> Sequence[DueFile]:
    """Return the facts of the most overdue files after a position; locked ones are skipped when `lock` is set.

    Concurrent claims never see the same row. Source: design laws 4 and 7.
    """
    start = after or START
    rows = await session.execute(
        DUE[only_pending, lock],
        {"category": category.value, "now": now, "after_at": start.due_at, "after_id": start.id, "limit": limit},
    )
    return [DueFile._make(row) for row in rows]


async def count_due(session: AsyncSession, categories: Sequence[Category]) -> int:
    """Return how many files of these categories are due now, from the index alone."""
    counted = text(
        "SELECT count(*) FROM media_files WHERE category = ANY(CAST(:categories AS category[])) AND due_at <= now()"
    )
    due: int = (await session.execute(counted, {"categories": [kind.value for kind in categories]})).scalar_one()
    return due


async def lock_file(session: AsyncSession, file_id: UUID, *, owner: str | None) -> tuple[Category, str, DueFile] | None:
    """Lock one file and return its category, owner and facts."""
    row = (await session.execute(_LOCK_FILE, {"id": file_id, "owner": owner})).one_or_none()
    return None if row is None else (row[0], row[1], DueFile._make(row[2:]))


async def get_facts(session: AsyncSession, file_id: UUID, *, owner: str | None) -> tuple[Category, str, DueFile] | None:
    """Return the category, owner and facts of one file."""
    row = (await session.execute(_GET_FACTS, {"id": file_id, "owner": owner})).one_or_none()
    return None if row is None else (row[0], row[1], DueFile._make(row[2:]))
