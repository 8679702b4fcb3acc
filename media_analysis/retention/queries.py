"""Claiming what is due, burying it, and the outbox of bytes that still have to go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.files.models import CATEGORY, RetentionRule
from media_analysis.storage.category import Category

PURGE_LEASE: Final = timedelta(minutes=2)
"""How long a claimer has to remove the bytes before another may do it."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order in which a category falls due."""

    due_at: datetime
    id: UUID


class ClaimedFile(NamedTuple):
    """What the purge of one file needs."""

    id: UUID
    key: str
    size_bytes: int


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
    due_at: datetime | None

    @property
    def position(self) -> Position:
        """Where it stands among what is due; only a due file has a place."""
        if self.due_at is None:
            raise ValueError(f"{self.id} is not due")
        return Position(self.due_at, self.id)


@dataclass(frozen=True, slots=True)
class Claim:
    """An outbox entry this process now works on; its files are of one category."""

    purge_id: UUID
    attempts: int
    category: Category
    files: Sequence[ClaimedFile | DueFile]


_FACTS: Final = """
    id, state::text, key, coalesce(size_bytes, 0), expires_at, expiry_explicit, min_retain_until, held_until, due_at
"""

# The bound (due_at, id) > (…) keeps every batch off the index entries that the batches before it left dead.
_DUE_FROM: Final = """
    FROM media_files
    WHERE category = CAST(:category AS category) AND due_at <= :now AND (due_at, id) > (:after_at, :after_id)
"""
_PENDING_ONLY: Final = "AND state = 'pending'"
_IN_ORDER: Final = "ORDER BY due_at, id LIMIT :limit"
START: Final = Position(datetime.fromisoformat("0001-01-01T00:00:00+00:00"), UUID(int=0))


def _due(*, only_pending: bool, lock: bool) -> TextClause:
    sql = f"SELECT {_FACTS} {_DUE_FROM} {_PENDING_ONLY if only_pending else ''} {_IN_ORDER}"
    return text(f"{sql} FOR UPDATE SKIP LOCKED" if lock else sql)


DUE: Final = {
    (only_pending, lock): _due(only_pending=only_pending, lock=lock)
    for only_pending in (False, True)
    for lock in (False, True)
}
"""The claim, by (only pending uploads, with row locks)."""

_LOCK_FILE = text(f"""
    SELECT category::text, {_FACTS} FROM media_files
    WHERE id = :id AND owner = coalesce(CAST(:owner AS text), owner) FOR UPDATE
""")  # noqa: S608 - constants

# One statement: the rows go, their tombstones and the outbox entry come, and what the ledger must give back is told.
_BURY = text("""
    WITH gone AS (
        DELETE FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING *
    ), stones AS (
        INSERT INTO tombstones (id, owner, category, state, key, filename, media_type, job_id, parent_id, size_bytes,
                                sha256, created_at, expires_at, min_retain_until, held_until, due_at,
                                deleted_at, rule, requested_by, purge_id)
        SELECT id, owner, category, state, key, filename, media_type, job_id, parent_id, size_bytes,
               sha256, created_at, expires_at, min_retain_until, held_until, due_at,
               :now, CAST(:rule AS retention_rule), :requested_by, :purge_id
        FROM gone
    ), outbox AS (
        INSERT INTO purges (id, sweep_id, tombstone_ids, claimed_at, due_at, attempts)
        VALUES (:purge_id, :sweep_id, CAST(:ids AS uuid[]), now(), now() + :lease, 1)
    )
    SELECT owner, category,
        count(*) FILTER (WHERE state <> 'pending') AS files,
        coalesce(sum(size_bytes) FILTER (WHERE state <> 'pending'), 0)::bigint AS size_bytes,
        sum(reserved_bytes)::bigint AS reserved_bytes
    FROM gone GROUP BY owner, category
""").columns(category=CATEGORY)


async def list_due(
    session: AsyncSession,
    category: Category,
    *,
    now: datetime,
    after: Position | None,
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


async def lock_file(session: AsyncSession, file_id: UUID, *, owner: str | None) -> tuple[Category, DueFile] | None:
    """Lock one file and return its category and facts."""
    row = (await session.execute(_LOCK_FILE, {"id": file_id, "owner": owner})).one_or_none()
    return None if row is None else (Category(row[0]), DueFile._make(row[1:]))


async def bury(
    session: AsyncSession,
    doomed: Mapping[RetentionRule, Sequence[DueFile]],
    *,
    category: Category,
    now: datetime,
    requested_by: str,
    sweep_id: UUID | None,
) -> Sequence[Claim]:
    """Turn locked files of one category into tombstones, put their bytes on the outbox, settle the ledger.

    Returns one claim, that is one outbox entry, per rule.
    """
    claims: list[Claim] = []
    freed: list[tuple[Account, Movement]] = []
    for rule, files in doomed.items():
        claim = Claim(uuid7(), 1, category, files)
        rows = await session.execute(
            _BURY,
            {
                "ids": [file.id for file in files],
                "now": now,
                "rule": rule.value,
                "requested_by": requested_by,
                "purge_id": claim.purge_id,
                "sweep_id": sweep_id,
                "lease": PURGE_LEASE,
            },
        )
        claims.append(claim)
        freed += [(Account(owner, kind), Movement(*(-number for number in numbers))) for owner, kind, *numbers in rows]
    # Once, with all accounts in one order: two sweepers that met them rule by rule would wait in a circle.
    await ledger.move(session, ledger.sum_movements(freed))
    return claims


_CLAIM_PURGE = text("""
    UPDATE purges SET due_at = now() + :lease, attempts = attempts + 1
    WHERE id = (SELECT id FROM purges WHERE due_at <= :now ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, attempts, tombstone_ids
""")

_PURGE_FILES = text("""
    SELECT id, key, coalesce(size_bytes, 0) AS size_bytes, category
    FROM tombstones WHERE id = ANY(CAST(:ids AS uuid[]))
""").columns(category=CATEGORY)

_SUM_UNFINISHED = text("""
    SELECT stone.category, count(*), coalesce(sum(stone.size_bytes), 0)::bigint
    FROM purges JOIN tombstones AS stone ON stone.id = ANY(purges.tombstone_ids)
    WHERE purges.due_at <= :now GROUP BY stone.category
""").columns(category=CATEGORY)

_CONFIRM = text("""
    UPDATE purges SET confirmed_at = now(), due_at = NULL, tombstone_ids = '{}', last_error = NULL WHERE id = :id
""")

_ADD_RETRIES = text("""
    INSERT INTO purges (id, sweep_id, tombstone_ids, claimed_at, due_at, attempts, last_error, dead_at)
    SELECT retry.id, purges.sweep_id, ARRAY[retry.tombstone_id], purges.claimed_at,
        CASE WHEN NOT :given_up THEN now() + :pause END, CAST(:attempts AS bigint), retry.error,
        CASE WHEN :given_up THEN now() END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tombstone_ids AS uuid[]), CAST(:errors AS text[]))
        AS retry(id, tombstone_id, error), purges
    WHERE purges.id = :purge_id
""")

_POINT_TO_RETRIES = text("""
    UPDATE tombstones SET purge_id = retry.id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tombstone_ids AS uuid[])) AS retry(id, tombstone_id)
    WHERE tombstones.id = retry.tombstone_id
""")


async def claim_purge(session: AsyncSession, *, now: datetime) -> Claim | None:
    """Take over the most overdue outbox entry; its first claimer died, or an earlier try failed."""
    entry = (await session.execute(_CLAIM_PURGE, {"now": now, "lease": PURGE_LEASE})).one_or_none()
    if entry is None:
        return None
    rows = (await session.execute(_PURGE_FILES, {"ids": entry.tombstone_ids})).all()
    files = [ClaimedFile(file_id, key, size_bytes) for file_id, key, size_bytes, _ in rows]
    return Claim(entry.id, entry.attempts, rows[0].category, files)


async def sum_unfinished(session: AsyncSession, *, now: datetime) -> Sequence[tuple[Category, int, int]]:
    """Return the files and bytes per category that outbox entries open to takeover still hold."""
    rows = await session.execute(_SUM_UNFINISHED, {"now": now})
    return [(category, files, size_bytes) for category, files, size_bytes in rows]


async def confirm(
    session: AsyncSession, claim: Claim, failed: Sequence[tuple[ClaimedFile | DueFile, str]], *, max_attempts: int
) -> None:
    """Close an outbox entry; every file that failed gets an entry, a backoff and a last error of its own."""
    if failed:
        retries = {
            "ids": [uuid7() for _ in failed],
            "tombstone_ids": [file.id for file, _ in failed],
        }
        about = {
            "errors": [reason for _, reason in failed],
            "purge_id": claim.purge_id,
            "attempts": claim.attempts,
            "given_up": claim.attempts >= max_attempts,
            "pause": backoff(claim.attempts),
        }
        await session.execute(_ADD_RETRIES, {**retries, **about})
        await session.execute(_POINT_TO_RETRIES, retries)
    else:
        # Losing this COMMIT in a crash only means unlinking absent names once more, so it need not reach the disk now.
        await session.execute(text("SET LOCAL synchronous_commit = off"))
    await session.execute(_CONFIRM, {"id": claim.purge_id})


def backoff(attempts: int) -> timedelta:
    """Return the pause after so many tries: a minute, doubling up to a day."""
    return min(timedelta(minutes=2 ** min(attempts - 1, 20)), timedelta(days=1))


async def reschedule(session: AsyncSession, kept: Mapping[UUID, datetime | None]) -> None:
    """Set when files that fell due but may not go yet are looked at again."""
    await session.execute(
        text("""
            UPDATE media_files SET due_at = later.due_at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[])) AS later(id, due_at)
            WHERE media_files.id = later.id
        """),
        {"ids": list(kept), "instants": list(kept.values())},
    )
