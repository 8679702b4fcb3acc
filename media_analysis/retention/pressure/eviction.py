"""Who may be evicted, and in which order: by index alone, and locked for the transaction that acts on it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.ids import AGE, OWN_AGE
from media_analysis.deletion.due import FACTS, START, DueFile
from media_analysis.files.dates import goes_at
from media_analysis.policy.decision import Policy
from media_analysis.storage.category import Category


class Stage(StrEnum):
    """What of a category has its turn."""

    TRASH = "trash"
    """What somebody deleted, longest in the trash first; nobody misses it but for an undo."""
    OLDEST = "oldest"
    """What is stored, oldest first: ids are in the order of creation."""


class CandidateQueue(NamedTuple):
    """A queue of candidates."""

    category: Category
    stage: Stage


class QueuePlace(NamedTuple):
    """Where a candidate stands in its queue."""

    trashed_at: datetime
    id: UUID


class EvictionCandidate(NamedTuple):
    """A file whose turn it may be, and whose it is."""

    owner: str
    created_at: datetime
    trashed_at: datetime | None
    file: DueFile

    @property
    def place(self) -> QueuePlace:
        return QueuePlace(self.trashed_at or FIRST.trashed_at, self.file.id)


FIRST: Final = QueuePlace(START.due_at, START.id)
"""Before everything."""


class Lane(NamedTuple):
    """A part of a queue: of one owner or, without one, of all; what is stored, with or without a date of its own."""

    owner: str | None
    dated: bool


# A file without bytes would be lost for nothing. The bound keeps every batch off what the ones before it looked at.
_COLUMNS: Final = f"owner, created_at, trashed_at, {FACTS}"
_OF_CATEGORY: Final = "FROM media_files WHERE category = CAST(:category AS category)"
_QUEUES: Final = {
    Stage.TRASH: "state = 'trashed' AND (trashed_at, id) > ({after_at}, {after_id}) AND size_bytes > 0 "
    "ORDER BY trashed_at, id",
    # The archive of a run that lives goes with that run, whatever priority its category has.
    Stage.OLDEST: "state = 'stored' AND expiry_explicit = {dated} AND {age} > {after_id} AND size_bytes > 0 "
    "AND role IS DISTINCT FROM 'archive' ORDER BY {age}",
}


def _of_all(stage: Stage) -> str:
    queue = _QUEUES[stage].format(after_at=":after_at", after_id=":after_id", dated=":dated", age=AGE)
    return f"SELECT {_COLUMNS} {_OF_CATEGORY} AND {queue} LIMIT :limit"


def _of_owners(stage: Stage, *, lock: bool) -> str:
    queue = _QUEUES[stage].format(after_at="lane.after_at", after_id="lane.after_id", dated="lane.dated", age=OWN_AGE)
    return f"""
        SELECT file.*, lane.dated FROM unnest(
            CAST(:owners AS text[]), CAST(:dated AS boolean[]), CAST(:after_at AS timestamptz[]),
            CAST(:after_id AS uuid[])
        ) AS lane(owner, dated, after_at, after_id) CROSS JOIN LATERAL (
            SELECT {_COLUMNS} {_OF_CATEGORY} AND media_files.owner = lane.owner AND {queue}
            LIMIT :limit {_SKIPPING if lock else ""}
        ) AS file
    """  # noqa: S608 - constants


_SKIPPING: Final = "FOR UPDATE SKIP LOCKED"
OF_ALL: Final = {
    (stage, lock): text(f"{_of_all(stage)} {_SKIPPING if lock else ''}") for stage in Stage for lock in (False, True)
}
OF_OWNERS: Final = {(stage, lock): text(_of_owners(stage, lock=lock)) for stage in Stage for lock in (False, True)}
"""The queries of a queue, by (stage, with row locks): of everybody, and of some owners, each from its own place."""

_TAKE_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('media-analysis.pressure', 0))")
_TAKE_TURN_OF_CATEGORY = text("""
    SELECT pg_advisory_xact_lock_shared(hashtextextended('media-analysis.pressure', 0)),
        pg_advisory_xact_lock(hashtextextended('media-analysis.pressure:' || :category, 0))
""")

# A date may have been looked at too early; what still protects the file moves it on.
_FREES_AT = text(f"""
    WITH due AS (
        SELECT id, owner, state, size_bytes, due_at, {goes_at()} AS goes_at FROM media_files
        WHERE category = CAST(:category AS category) AND due_at IS NOT NULL
            AND (state = 'trashed' OR (state = 'stored' AND expires_at IS NOT NULL))
        ORDER BY due_at, id LIMIT :limit
    ), freed AS (
        SELECT *, greatest(due_at, goes_at, :now)
            + CASE state WHEN 'trashed' THEN interval '0' ELSE :trash END AS frees_at
        FROM due WHERE goes_at IS NOT NULL AND owner = coalesce(CAST(:owner AS text), owner)
    ), summed AS (
        SELECT frees_at, sum(size_bytes) OVER (ORDER BY frees_at, id) AS freed_bytes FROM freed
    )
    SELECT min(frees_at) FROM summed WHERE freed_bytes >= :missing
""").bindparams(bindparam("trash", type_=Interval))  # noqa: S608 - fragments of ours
MOST_DUE: Final = 10_000


def eviction_order(policy: Policy, categories: Sequence[Category]) -> Sequence[CandidateQueue]:
    """Return whose turn it is, first to last: all trash, then what is stored, lowest eviction priority first.

    What is stored in a category without a priority is never in it.
    """
    ranks = {category: policy.of(category).eviction_priority for category in categories}
    ranked = sorted((rank, number) for number, rank in enumerate(ranks.values()) if rank is not None)
    evicted = [categories[number] for _, number in ranked]
    rest = [category for category in categories if category not in evicted]
    return [
        *(CandidateQueue(category, Stage.TRASH) for category in (*evicted, *rest)),
        *(CandidateQueue(category, Stage.OLDEST) for category in evicted),
    ]


async def list_candidates(
    session: AsyncSession, source: CandidateQueue, after: Mapping[Lane, QueuePlace], *, limit: int, lock: bool = False
) -> Mapping[Lane, Sequence[EvictionCandidate]]:
    """Return so many next files of each lane after its place; locked ones are skipped when `lock` is set."""
    found: dict[Lane, list[EvictionCandidate]] = defaultdict(list)
    owned = [lane for lane in after if lane.owner is not None]
    if owned:
        rows = await session.execute(
            OF_OWNERS[source.stage, lock],
            {
                "category": source.category.value,
                "owners": [lane.owner for lane in owned],
                "dated": [lane.dated for lane in owned],
                "after_at": [after[lane].trashed_at for lane in owned],
                "after_id": [after[lane].id for lane in owned],
                "limit": limit,
            },
        )
        for *facts, dated in rows:
            found[Lane(facts[0], dated)].append(_candidate(facts))
    for lane in after.keys() - owned:
        asked: dict[str, object] = {"category": source.category.value, "after_id": after[lane].id, "limit": limit}
        beside = {"after_at": after[lane].trashed_at} if source.stage is Stage.TRASH else {"dated": lane.dated}
        found[lane] = [_candidate(row) for row in await session.execute(OF_ALL[source.stage, lock], asked | beside)]
    return found


def _candidate(facts: Sequence[Any]) -> EvictionCandidate:
    return EvictionCandidate(facts[0], facts[1], facts[2], DueFile._make(facts[3:]))


async def take_turn(session: AsyncSession, category: Category | None) -> None:
    """Wait until no other process evicts from a category, for as long as the transaction lasts; None is from any.

    Two that measured at the same moment would together evict twice of what is wanted.
    """
    if category is None:
        await session.execute(_TAKE_TURN)
    else:
        await session.execute(_TAKE_TURN_OF_CATEGORY, {"category": category.value})


async def find_space_freed(
    session: AsyncSession,
    category: Category,
    missing_bytes: int,
    *,
    now: datetime,
    trash: timedelta | None,
    owner: str | None = None,
) -> datetime | None:
    """Return the earliest instant by which so many bytes of a category fall due; None if no date is in sight.

    With `owner` only theirs count.

    `trash` is how long what falls due keeps its bytes; of all that falls due, the next 10,000 files are looked at.
    """
    asked = {
        "category": category.value,
        "now": now,
        "trash": trash or timedelta(0),
        "limit": MOST_DUE,
        "missing": missing_bytes,
        "owner": owner,
    }
    found: datetime | None = (await session.execute(_FREES_AT, asked)).scalar_one()
    return found
