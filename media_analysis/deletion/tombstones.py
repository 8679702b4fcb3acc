"""Turning locked rows into trash or tombstones, with the outbox entry and the ledger, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Interval, bindparam, insert, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.columns import CATEGORY
from media_analysis.deletion.due import DueFile
from media_analysis.files import ledger
from media_analysis.files.ledger import Account, Moved, Movement
from media_analysis.files.models import Tombstone
from media_analysis.files.transitions import REMOVE, TRASH
from media_analysis.states import DeletionMethod, RetentionRule
from media_analysis.storage.category import Category

END_TOMBSTONES: Final = "DELETE FROM tombstones"
PURGE_LEASE: Final = timedelta(minutes=2)
"""How long a claimer has to remove the bytes before another may do it."""

FilesByRule = Mapping[RetentionRule, Sequence[DueFile]]
"""Locked files of one category, by the rule they go by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Who wants what deleted, as of when, and why: what every tombstone repeats."""

    now: datetime
    actor: str
    sweep_id: UUID | None = None
    policy_version: str | None = None
    reason: str | None = None
    secure: bool = False
    """Whether the bytes are overwritten first."""
    by_request: bool = False
    """Whether somebody named these files, rather than a sweep finding them; then the trash's own reasons yield."""


class ClaimedFile(NamedTuple):
    """What the purge of one file needs."""

    id: UUID
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Claim:
    """An outbox entry this process now works on; its files are of one category."""

    purge_id: UUID
    attempts: int
    category: Category
    files: Sequence[ClaimedFile | DueFile]
    secure: bool = False
    again: bool = False
    """Whether the bytes went once already."""
    due_at: datetime | None = None
    """Since when anybody could take it over; None for one that was made just now."""


# One statement: the rows go, their tombstones and the outbox entry come, and what the ledger must give back is told.
_WRITE = text(f"""
    WITH gone AS (
        {REMOVE}
    ), stones AS (
        INSERT INTO tombstones (id, owner, category, state, key, filename, media_type, job_id, parent_id, labels,
                                rendition, size_bytes, sha256, created_at, expires_at, min_retain_until, held_until,
                                job_held_until, leased_until, due_at, trashed_at, restorable_until, deleted_at, rule,
                                requested_by, reason, sweep_id, policy_version, method, purge_id)
        SELECT id, owner, category, state, key, filename, media_type, job_id, parent_id, labels, rendition,
               size_bytes, sha256, created_at, expires_at, min_retain_until, held_until, job_held_until,
               leased_until, due_at, trashed_at, trash_ends_at, :now, CAST(:rule AS retention_rule),
               CASE WHEN :by_request THEN :requested_by ELSE coalesce(trashed_by, :requested_by) END,
               CASE WHEN :by_request THEN :reason ELSE coalesce(trash_reason, :reason) END,
               CASE WHEN :by_request THEN NULL ELSE coalesce(trash_sweep_id, :sweep_id) END,
               :policy_version, CAST(:method AS deletion_method), :purge_id
        FROM gone
    ), outbox AS (
        INSERT INTO purges (id, sweep_id, tombstone_ids, claimed_at, due_at, attempts, secure)
        VALUES (:purge_id, :sweep_id, CAST(:ids AS uuid[]), now(), now() + :lease, 1, :secure)
    )
    SELECT owner, category,
        count(*) FILTER (WHERE state <> 'pending') AS files,
        coalesce(sum(size_bytes) FILTER (WHERE state <> 'pending'), 0)::bigint AS size_bytes,
        coalesce(sum(reserved_bytes), 0)::bigint AS reserved_bytes,
        count(*) FILTER (WHERE state = 'trashed') AS trashed_files,
        coalesce(sum(size_bytes) FILTER (WHERE state = 'trashed'), 0)::bigint AS trashed_bytes
    FROM gone GROUP BY owner, category
""").columns(category=CATEGORY)  # noqa: S608 - a fragment of ours

_TRASH = (
    text(f"WITH moved AS ({TRASH}) {ledger.SUM_MOVED}")
    .bindparams(bindparam("kept_for", type_=Interval))
    .columns(category=CATEGORY)
)


@dataclass(frozen=True, slots=True)
class Freed:
    """What a transaction deleted: the outbox entries of the bytes, and what the ledger must give back."""

    purges: Sequence[UUID] = ()
    moved: Sequence[tuple[Account, Movement]] = ()

    def plus(self, other: "Freed") -> "Freed":
        return Freed([*self.purges, *other.purges], [*self.moved, *other.moved])


# What was written late under a key that is not the file's any more goes by the same entry, under an id that is free.
_SECOND: Final = "again AND (due_at IS NOT NULL OR dead_at IS NOT NULL) AND tombstone_ids && CAST(:ids AS uuid[])"
_TAKE_BACK: Final = text(f"""
    WITH gone AS (DELETE FROM tombstones WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING *)
    INSERT INTO tombstones (id, owner, category, state, key, filename, media_type, created_at, deleted_at, rule,
                            requested_by, method, purge_id)
    SELECT pairs.spare_id, owner, category, 'pending', key, filename, media_type, created_at, deleted_at,
        'upload_abandoned', requested_by, method, purge_id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:spare_ids AS uuid[])) AS pairs(id, spare_id) JOIN gone USING (id)
    WHERE id IN (SELECT unnest(tombstone_ids) FROM purges WHERE {_SECOND})
""")  # noqa: S608 - a constant
_POINT_TO_SPARE: Final = text(f"""
    UPDATE purges SET tombstone_ids = ARRAY(
        SELECT coalesce(pairs.spare_id, listed.id) FROM unnest(purges.tombstone_ids) AS listed(id)
        LEFT JOIN unnest(CAST(:ids AS uuid[]), CAST(:spare_ids AS uuid[])) AS pairs(id, spare_id) USING (id)
    ) WHERE {_SECOND}
""")  # noqa: S608 - a constant


async def write_tombstones(
    session: AsyncSession, files_by_rule: FilesByRule, order: Order, *, category: Category
) -> tuple[Sequence[Claim], list[Moved]]:
    """Turn locked files of one category into tombstones and put their bytes on the outbox.

    Returns one claim, that is one outbox entry, per rule, and what the ledger must give back.
    """
    claims: list[Claim] = []
    freed: list[Moved] = []
    for rule, files in files_by_rule.items():
        claim = Claim(uuid7(), 1, category, files, order.secure)
        rows = await session.execute(
            _WRITE,
            {
                **_told(order, rule, files),
                "by_request": order.by_request,
                "policy_version": order.policy_version,
                "method": (DeletionMethod.OVERWRITE_BEST_EFFORT if order.secure else DeletionMethod.UNLINK).value,
                "secure": order.secure,
                "purge_id": claim.purge_id,
                "lease": PURGE_LEASE,
            },
        )
        claims.append(claim)
        freed += [(Account(owner, kind), Movement(*(-number for number in numbers))) for owner, kind, *numbers in rows]
    return claims, freed


async def add_past(session: AsyncSession, stones: Sequence[Mapping[str, Any]]) -> None:
    """Add tombstones, as rows, of files whose bytes went elsewhere; `add_confirmed` has their outbox entry."""
    await session.execute(insert(Tombstone), list(stones))


async def take_back(session: AsyncSession, ids: Sequence[UUID], *, spare_ids: Sequence[UUID]) -> None:
    """Let go of the tombstones of files that are about to be restored, once their bytes are confirmed gone.

    A second deletion that is still to come keeps what it needs to know under the spare ids, one for each file.
    """
    pairs = {"ids": list(ids), "spare_ids": list(spare_ids)}
    await session.execute(_TAKE_BACK, pairs)
    await session.execute(_POINT_TO_SPARE, pairs)


async def move_to_trash(
    session: AsyncSession, files_by_rule: FilesByRule, order: Order, *, kept_for: timedelta
) -> list[Moved]:
    """Send locked, stored files to the trash; the ledger keeps their bytes, and how many of them are trash."""
    moved: list[Moved] = []
    for rule, files in files_by_rule.items():
        rows = await session.execute(_TRASH, {**_told(order, rule, files), "kept_for": kept_for})
        moved += [
            (Account(row.owner, row.category), Movement(trashed_files=row.files, trashed_bytes=row.size_bytes))
            for row in rows
        ]
    return moved


def _told(order: Order, rule: RetentionRule, files: Sequence[DueFile]) -> dict[str, object]:
    return {
        "ids": [file.id for file in files],
        "now": order.now,
        "rule": rule.value,
        "requested_by": order.actor,
        "reason": order.reason,
        "sweep_id": order.sweep_id,
    }
