"""Who may be evicted, and in which order: by index alone, and locked for the transaction that acts on it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Interval, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.retention.due import FACTS, START, DueFile
from media_analysis.retention.policy import Policy
from media_analysis.storage.category import Category


class Stage(StrEnum):
    """What of a category has its turn."""

    TRASH = "trash"
    """What somebody deleted, longest in the trash first; nobody misses it but for an undo."""
    OLDEST = "oldest"
    """What is stored, oldest first: ids are in the order of creation."""


class Source(NamedTuple):
    """A queue of candidates."""

    category: Category
    stage: Stage


class Place(NamedTuple):
    """Where a candidate stands in its queue."""

    trashed_at: datetime
    id: UUID


class Candidate(NamedTuple):
    """A file whose turn it may be, and whose it is."""

    owner: str
    created_at: datetime
    trashed_at: datetime | None
    file: DueFile

    @property
    def place(self) -> Place:
        return Place(self.trashed_at or FIRST.trashed_at, self.file.id)


FIRST: Final = Place(START.due_at, START.id)
"""Before everything."""

# A file without bytes would be lost for nothing. The bound keeps every batch off what the ones before it looked at.
_OF_CATEGORY: Final = "FROM media_files WHERE category = CAST(:category AS category)"
_QUEUES: Final = {
    Stage.TRASH: "state = 'trashed' AND (trashed_at, id) > (:after_at, :after_id) AND size_bytes > 0 "
    "ORDER BY trashed_at, id",
    Stage.OLDEST: "state = 'stored' AND id > :after_id AND size_bytes > 0 ORDER BY category, id",
}


def _candidates(stage: Stage, *, lock: bool) -> TextClause:
    sql = f"SELECT owner, created_at, trashed_at, {FACTS} {_OF_CATEGORY} AND {_QUEUES[stage]} LIMIT :limit"
    return text(f"{sql} FOR UPDATE SKIP LOCKED" if lock else sql)


CANDIDATES: Final = {(stage, lock): _candidates(stage, lock=lock) for stage in Stage for lock in (False, True)}
"""The query of a queue, by (stage, with row locks)."""

_TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('media-analysis.pressure', 0))")

# A date may have been looked at too early; what still protects the file moves it on.
_FREES_AT = text("""
    WITH due AS (
        SELECT id, size_bytes, CASE WHEN state = 'trashed'
            THEN greatest(due_at, held_until, job_held_until, :now)
            ELSE greatest(due_at, expires_at, min_retain_until, held_until, job_held_until, leased_until, :now) + :trash
        END AS frees_at
        FROM media_files
        WHERE category = CAST(:category AS category) AND due_at IS NOT NULL
            AND (state = 'trashed' OR (state = 'stored' AND expires_at IS NOT NULL))
        ORDER BY due_at, id LIMIT :limit
    ), summed AS (
        SELECT frees_at, sum(size_bytes) OVER (ORDER BY frees_at, id) AS freed_bytes FROM due WHERE isfinite(frees_at)
    )
    SELECT min(frees_at) FROM summed WHERE freed_bytes >= :missing
""").bindparams(bindparam("trash", type_=Interval))
MOST_DUE: Final = 10_000


def eviction_order(policy: Policy, categories: Sequence[Category]) -> Sequence[Source]:
    """Return whose turn it is, first to last: all trash, then what is stored, lowest eviction priority first.

    What is stored in a category without a priority is never in it.
    """
    ranks = {category: policy.of(category).eviction_priority for category in categories}
    ranked = sorted((rank, number) for number, rank in enumerate(ranks.values()) if rank is not None)
    evicted = [categories[number] for _, number in ranked]
    rest = [category for category in categories if category not in evicted]
    return [
        *(Source(category, Stage.TRASH) for category in (*evicted, *rest)),
        *(Source(category, Stage.OLDEST) for category in evicted),
    ]


async def list_candidates(
    session: AsyncSession, source: Source, *, after: Place, limit: int, lock: bool = False
) -> Sequence[Candidate]:
    """Return the next files of a queue after a place; locked ones are skipped when `lock` is set."""
    asked: dict[str, object] = {"category": source.category.value, "after_id": after.id, "limit": limit}
    if source.stage is Stage.TRASH:
        asked["after_at"] = after.trashed_at
    rows = await session.execute(CANDIDATES[source.stage, lock], asked)
    return [Candidate(row[0], row[1], row[2], DueFile._make(row[3:])) for row in rows]


async def take_turn(session: AsyncSession) -> None:
    """Wait until no other process evicts, for as long as the transaction lasts.

    Two that measured at the same moment would together evict twice of what is wanted.
    """
    await session.execute(_TAKE_TURN)


async def find_space_freed(
    session: AsyncSession, category: Category, missing_bytes: int, *, now: datetime, trash: timedelta | None
) -> datetime | None:
    """Return the earliest instant by which so many bytes of a category fall due; None if no date is in sight.

    `trash` is how long what falls due keeps its bytes; of all that falls due, the next 10,000 files are looked at.
    """
    asked = {
        "category": category.value,
        "now": now,
        "trash": trash or timedelta(0),
        "limit": MOST_DUE,
        "missing": missing_bytes,
    }
    found: datetime | None = (await session.execute(_FREES_AT, asked)).scalar_one()
    return found
