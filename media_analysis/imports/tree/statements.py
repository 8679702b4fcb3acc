"""Rows of imported files as set-based statements; ledger, usage and days move in the same transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.errors import JobNotFound
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Movement
from media_analysis.files.transitions import ADD_STORED
from media_analysis.files.upload.room import QuotaUse, require_within
from media_analysis.imports.tree.candidates import Candidate
from media_analysis.states import FileState
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Whose the files become, what for, and whether the quota may be passed."""

    owner: str
    category: Category
    job_id: UUID | None = None
    over_quota: bool = False
    now: datetime | None = None

    @property
    def account(self) -> Account:
        return Account(self.owner, self.category)

    @property
    def values(self) -> dict[str, Any]:
        return {"owner": self.owner, "category": self.category.value, "job_id": self.job_id, "now": self.now}


@dataclass(frozen=True, slots=True)
class AddedFiles:
    """Rows that are stored now."""

    ids: frozenset[UUID] = frozenset()
    size_bytes: int = 0
    due_at_once: int = 0

    def plus(self, other: "AddedFiles") -> "AddedFiles":
        due_at_once = self.due_at_once + other.due_at_once
        return AddedFiles(self.ids | other.ids, self.size_bytes + other.size_bytes, due_at_once)


# An imported file is as old as its bytes: it was created and stored when they last changed, never in the future.
_ADD = text(f"""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:filenames AS text[]), CAST(:media_types AS text[]),
            CAST(:sizes AS bigint[]), CAST(:hashes AS bytea[]), CAST(:instants AS timestamptz[])
        ) AS asked(id, key, filename, media_type, size_bytes, sha256, modified_at)
    ), clock AS (
        SELECT coalesce(CAST(:now AS timestamptz), now()) AS now
    ), aged AS (
        SELECT asked.*, clock.now, least(modified_at, clock.now) AS stored_at FROM asked CROSS JOIN clock
    ), timed AS (
        SELECT aged.*, CAST(:owner AS text) AS owner, CAST(:category AS category) AS category,
            CAST(:job_id AS uuid) AS job_id, false AS explicit, job.held_until AS job_held_until,
            stored_at + make_interval(secs => policy.lifetime_seconds) AS ends_at,
            stored_at + make_interval(secs => policy.minimum_seconds) AS minimum_ends_at
        FROM aged
        LEFT JOIN category_policies AS policy ON policy.category = CAST(:category AS category)
        LEFT JOIN analysis_jobs AS job ON job.id = CAST(:job_id AS uuid)
    )
    {ADD_STORED}
    RETURNING id, size_bytes, coalesce(due_at <= coalesce(CAST(:now AS timestamptz), now()), false)
""")  # noqa: S608 - fragments of ours
_ROOM = text("""
    SELECT usage.size_bytes AS used_bytes, policy.quota_bytes, policy.owner_quota_bytes,
        coalesce(held.size_bytes + held.reserved_bytes, 0) AS owned_bytes
    FROM category_usage AS usage LEFT JOIN category_policies AS policy USING (category)
    LEFT JOIN ledger AS held ON held.owner = :owner AND held.category = usage.category
    WHERE usage.category = CAST(:category AS category)
""")
_LOCK_JOB = text("SELECT owner, deleted_at FROM analysis_jobs WHERE id = :job_id FOR SHARE")
_STATES = text("""
    SELECT id, state::text, false AS dead FROM media_files WHERE id = ANY(CAST(:ids AS uuid[]))
    UNION ALL SELECT id, state::text, true FROM tombstones WHERE id = ANY(CAST(:ids AS uuid[]))
""")


async def open_account(db: Database, destination: Destination) -> None:
    """Make sure the ledger has the account, and that the job is there and its owner's.

    In a transaction of its own, as the ledger is locked last.

    Raises:
        JobNotFound: it is not.

    """
    async with db.transaction() as session:
        await _lock_job(session, destination)
        await ledger.open_account(session, destination.account)


async def get_states(session: AsyncSession, ids: Collection[UUID]) -> Mapping[UUID, tuple[FileState, bool]]:
    """Return the state of each known id, and whether it is that of a tombstone."""
    rows = await session.execute(_STATES, {"ids": list(ids)})
    return {file_id: (FileState(state), dead) for file_id, state, dead in rows}


async def require_room(
    session: AsyncSession, destination: Destination, needed_bytes: int, *, counted: bool = False
) -> None:
    """Fail unless the quotas have room for so many more bytes, or may be passed; `counted` ones are in use already.

    Raises:
        QuotaReached, OwnerQuotaReached: with the bytes that are missing.

    """
    if destination.over_quota or not needed_bytes:
        return
    row = (await session.execute(_ROOM, {"owner": destination.owner, "category": destination.category.value})).one()
    counted_bytes = needed_bytes if counted else 0
    require_within(
        destination.category,
        needed_bytes,
        everybody=QuotaUse(row.used_bytes - counted_bytes, row.quota_bytes),
        owner=QuotaUse(row.owned_bytes - counted_bytes, row.owner_quota_bytes),
    )


async def add_stored(session: AsyncSession, destination: Destination, candidates: Sequence[Candidate]) -> AddedFiles:
    """Make rows of objects that lie in the store; what has a row already is left as it is.

    The transaction ends with `count_stored`.
    """
    await _lock_job(session, destination)
    return _sum(await session.execute(_ADD, destination.values | _columns(candidates)))


async def count_stored(session: AsyncSession, destination: Destination, added: AddedFiles) -> None:
    """Tell the ledger, which is locked last, of rows just made.

    Raises:
        QuotaReached: there is no room for them.

    """
    if added.ids:
        arrived = Movement.arriving(len(added.ids), added.size_bytes)
        await ledger.move(session, [(destination.account, arrived)], now=destination.now)
        await require_room(session, destination, added.size_bytes, counted=True)


async def _lock_job(session: AsyncSession, destination: Destination) -> None:
    """Let no hold on the job pass between reading it and writing the rows that copy it."""
    if destination.job_id is None:
        return
    job = (await session.execute(_LOCK_JOB, {"job_id": destination.job_id})).one_or_none()
    if job is None or job.owner != destination.owner or job.deleted_at is not None:
        raise JobNotFound(destination.job_id)


def _columns(candidates: Sequence[Candidate]) -> dict[str, Any]:
    return {
        "ids": [candidate.id for candidate in candidates],
        "keys": [candidate.key for candidate in candidates],
        "filenames": [candidate.filename for candidate in candidates],
        "media_types": [candidate.media_type for candidate in candidates],
        "sizes": [candidate.entry.size_bytes for candidate in candidates],
        "hashes": [candidate.sha256 for candidate in candidates],
        "instants": [candidate.modified_at for candidate in candidates],
    }


def _sum(rows: Iterable[Any]) -> AddedFiles:
    told = [tuple(row) for row in rows]
    return AddedFiles(frozenset(row[0] for row in told), sum(row[1] for row in told), sum(row[2] for row in told))
