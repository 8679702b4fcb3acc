"""Which replicas are due, who takes them on, and what becomes of that; every transaction is a short one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SMALL_BYTES: Final = 2**20
"""What is read whole, and put together with others; what is larger is copied as a stream, one by one."""
LEASE_SECONDS: Final = 60.0
FIRST_PAUSE_SECONDS: Final = 15.0
LONGEST_PAUSE_SECONDS: Final = 900.0
PURGE_PAUSE_SECONDS: Final = 60.0
"""Until a file on its way out is looked at again: its replica is deleted with its bytes."""
HEALED_AT_ONCE: Final = 100

CLAIM: Final = text("""
    WITH leased AS (
        UPDATE replicas SET due_at = now() + make_interval(secs => :lease_seconds), attempts = attempts + 1,
            lease_id = gen_random_uuid()
        WHERE file_id = ANY(ARRAY(
            SELECT file_id FROM replicas
            WHERE due_at <= now() AND (size_bytes > :small_bytes) = CAST(:is_large AS boolean)
            ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ))
        RETURNING *
    )
    SELECT leased.file_id, leased.key, leased.size_bytes, leased.lease_id, leased.attempts, leased.heals,
        leased.copied_at IS NOT NULL AS is_copied, file.id IS NOT NULL AS lives, file.sha256,
        file.last_error AS damage,
        EXISTS (
            SELECT FROM tombstones AS stone JOIN purges ON purges.id = stone.purge_id
            WHERE stone.id = leased.file_id AND stone.key = leased.key AND purges.confirmed_at IS NULL
        ) AS awaits_purge
    FROM leased LEFT JOIN media_files AS file
        ON file.id = leased.file_id AND file.key = leased.key AND file.state IN ('stored', 'trashed')
    ORDER BY leased.noted_at, leased.file_id
""")
_IS_HELD: Final = text("""
    SELECT EXISTS (
        SELECT FROM replicas JOIN media_files AS file ON file.id = replicas.file_id AND file.key = replicas.key
        WHERE file_id = :id AND lease_id = :lease_id AND file.state IN ('stored', 'trashed')
    )
""")
_LIST_OTHERS: Final = text("""
    SELECT other.key FROM media_files AS other
    JOIN unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS gone(id, key) ON gone.key = other.key
    WHERE other.id <> gone.id
""")
_RENEW: Final = text("""
    UPDATE replicas SET due_at = now() + make_interval(secs => :lease_seconds)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS held(id, lease_id)
    WHERE replicas.file_id = held.id AND replicas.lease_id = held.lease_id
""")
# Whoever deletes the file waits for this, or this waits for them and finds it gone: then it has no replica.
_CONFIRM: Final = text("""
    WITH held AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[]), CAST(:leases AS uuid[]))
            AS held(id, key, lease_id)
    ), living AS MATERIALIZED (
        SELECT file.id FROM media_files AS file JOIN held ON held.id = file.id AND held.key = file.key
        WHERE file.state IN ('stored', 'trashed') ORDER BY file.id FOR KEY SHARE OF file
    )
    UPDATE replicas
    SET copied_at = now(), due_at = NULL, lease_id = NULL, attempts = 0, heals = false, last_error = NULL
    FROM held JOIN living ON living.id = held.id
    WHERE replicas.file_id = held.id AND replicas.lease_id = held.lease_id
        AND EXISTS (SELECT FROM replica_places WHERE address = :address)
    RETURNING replicas.file_id
""")
_DUE_NOW: Final = text("""
    UPDATE replicas SET due_at = now()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS held(id, lease_id)
    WHERE replicas.file_id = held.id AND replicas.lease_id = held.lease_id
""")
_FAIL: Final = text("""
    UPDATE replicas SET last_error = failed.reason, due_at = now() + make_interval(secs => least(
            :first_seconds * 2 ^ least(attempts - 1, 20), CAST(:longest_seconds AS double precision)
        )),
        copied_at = CASE WHEN NOT failed.is_lost THEN copied_at END, heals = heals AND NOT failed.is_lost
    FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[]), CAST(:reasons AS text[]), CAST(:lost AS boolean[]))
        AS failed(id, lease_id, reason, is_lost)
    WHERE replicas.file_id = failed.id AND replicas.lease_id = failed.lease_id
""")
_POSTPONE: Final = text("""
    UPDATE replicas SET due_at = now() + make_interval(secs => :pause_seconds)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS held(id, lease_id)
    WHERE replicas.file_id = held.id AND replicas.lease_id = held.lease_id
""")
_END: Final = text("""
    DELETE FROM replicas USING unnest(CAST(:ids AS uuid[]), CAST(:leases AS uuid[])) AS held(id, lease_id)
    WHERE replicas.file_id = held.id AND replicas.lease_id = held.lease_id
""")
_HEAL: Final = text("""
    UPDATE replicas SET heals = true, due_at = now(), copied_at = now()
    WHERE file_id = :id AND lease_id = :lease_id
""")
# Whoever found the damage wrote it down, a scrub or a reader; without a hash nobody can say which of the two is right.
_HEAL_DAMAGED: Final = text("""
    UPDATE replicas SET heals = true, due_at = now() WHERE due_at IS NULL AND file_id = ANY(ARRAY(
        SELECT file.id FROM media_files AS file JOIN replicas AS replica ON replica.file_id = file.id
        WHERE file.last_error IS NOT NULL AND file.sha256 IS NOT NULL AND replica.due_at IS NULL
            AND replica.copied_at IS NOT NULL AND replica.key = file.key
        LIMIT :limit
    ))
""")
_LIST_COPIED: Final = text("""
    SELECT file_id FROM replicas
    WHERE file_id = ANY(CAST(:ids AS uuid[])) AND copied_at IS NOT NULL AND due_at IS NULL
""")
# Few are asked for, and seldom: no index over all keys is kept for it.
_LIST_NOTED_KEYS: Final = text("""
    SELECT key FROM replicas WHERE due_at IS NOT NULL AND key = ANY(CAST(:keys AS text[]))
""")
_COPY_AGAIN: Final = text("""
    UPDATE replicas SET copied_at = NULL, due_at = now(), last_error = lost.reason
    FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS lost(id, reason)
    WHERE replicas.file_id = lost.id AND replicas.due_at IS NULL
""")
# Whoever is at one just now holds no lease any more: what was put before was deleted.
_COPY_ANEW: Final = text("""
    UPDATE replicas SET copied_at = NULL, due_at = now(), lease_id = NULL FROM media_files AS file
    WHERE file.key = ANY(CAST(:keys AS text[])) AND replicas.file_id = file.id
""")


@dataclass(frozen=True, slots=True)
class ReplicaDuty:
    """One replica that somebody took on for a while, and what is known of its file."""

    file_id: UUID
    key: str
    size_bytes: int
    lease_id: UUID
    """Whoever was overtaken, or began before the place was another or a new one, holds one that is none any more."""
    attempt: int
    heals: bool
    is_copied: bool
    lives: bool
    """Whether the file is there, under this key."""
    sha256: bytes | None
    damage: str | None
    """What is known to be wrong with its primary."""
    awaits_purge: bool
    """Whether its bytes are to go, in both stores, and have not gone yet."""


@dataclass(frozen=True, slots=True)
class ReplicaFailure:
    """Why a replica could not be made, or its primary not mended."""

    duty: ReplicaDuty
    reason: str
    is_lost: bool = False
    """Whether what was taken for a replica is none."""


async def claim(session: AsyncSession, *, is_large: bool, limit: int) -> Sequence[ReplicaDuty]:
    """Take on the replicas that are due longest, of small objects or of large ones, for the length of a lease."""
    asked = {"limit": limit, "is_large": is_large, "small_bytes": SMALL_BYTES, "lease_seconds": LEASE_SECONDS}
    rows = await session.execute(CLAIM, asked)
    return [ReplicaDuty(*row) for row in rows]


async def is_held(session: AsyncSession, duty: ReplicaDuty) -> bool:
    """Say whether a replica is still with whoever took it on, and its file is there."""
    return bool((await session.execute(_IS_HELD, {"id": duty.file_id, "lease_id": duty.lease_id})).scalar_one())


async def list_others(session: AsyncSession, duties: Sequence[ReplicaDuty]) -> Collection[str]:
    """Return those keys of files that are gone which other files have by now."""
    asked = {"ids": [duty.file_id for duty in duties], "keys": [duty.key for duty in duties]}
    return set((await session.execute(_LIST_OTHERS, asked)).scalars())


async def renew(session: AsyncSession, duties: Sequence[ReplicaDuty]) -> None:
    """Go on holding replicas, from now on for the length of a lease."""
    await session.execute(_RENEW, _held(duties) | {"lease_seconds": LEASE_SECONDS})


async def release(session: AsyncSession, duties: Sequence[ReplicaDuty]) -> None:
    """Let somebody else take replicas on at once."""
    await session.execute(_DUE_NOW, _held(duties))


async def confirm(session: AsyncSession, duties: Sequence[ReplicaDuty], *, address: str) -> Collection[UUID]:
    """Write down that replicas are at a place, if they lie there; return of which files.

    The others were deleted, or somebody overtook us: they are due at once, and whoever takes them on sees which.
    """
    asked = _held(duties) | {"keys": [duty.key for duty in duties], "address": address}
    confirmed = set((await session.execute(_CONFIRM, asked)).scalars())
    if left := [duty for duty in duties if duty.file_id not in confirmed]:
        await release(session, left)
    return confirmed


async def fail(session: AsyncSession, failures: Sequence[ReplicaFailure]) -> None:
    """Write down why replicas were not made, and let them wait, longer with every attempt."""
    asked = _held([failure.duty for failure in failures]) | {
        "reasons": [failure.reason for failure in failures],
        "lost": [failure.is_lost for failure in failures],
        "first_seconds": FIRST_PAUSE_SECONDS,
        "longest_seconds": LONGEST_PAUSE_SECONDS,
    }
    await session.execute(_FAIL, asked)


async def postpone(session: AsyncSession, duties: Sequence[ReplicaDuty]) -> None:
    """Let replicas wait whose files are about to lose their bytes."""
    await session.execute(_POSTPONE, _held(duties) | {"pause_seconds": PURGE_PAUSE_SECONDS})


async def end(session: AsyncSession, duties: Sequence[ReplicaDuty]) -> None:
    """Forget replicas that are no more."""
    await session.execute(_END, _held(duties))


async def begin_healing(session: AsyncSession, duty: ReplicaDuty) -> None:
    """Have the primary mended from a replica that shows to be whole, as soon as somebody takes that on."""
    await session.execute(_HEAL, {"id": duty.file_id, "lease_id": duty.lease_id})


async def heal_damaged(session: AsyncSession) -> None:
    """Have those files mended of which somebody wrote down that the store does not hold them as stored."""
    await session.execute(_HEAL_DAMAGED, {"limit": HEALED_AT_ONCE})


async def list_copied(session: AsyncSession, ids: Sequence[UUID]) -> Collection[UUID]:
    """Return which of some files have a replica with which nothing is to be done."""
    return set((await session.execute(_LIST_COPIED, {"ids": list(ids)})).scalars())


async def list_noted_keys(session: AsyncSession, keys: Sequence[str]) -> Collection[str]:
    """Return which of some keys replicas have that are noted, whatever became of their files."""
    return set((await session.execute(_LIST_NOTED_KEYS, {"keys": list(keys)})).scalars())


async def copy_again(session: AsyncSession, reasons: Mapping[UUID, str]) -> None:
    """Have files copied anew whose replica shows not to be whole."""
    if not reasons:
        return
    await session.execute(_COPY_AGAIN, {"ids": list(reasons), "reasons": list(reasons.values())})


async def copy_anew(session: AsyncSession, keys: Sequence[str]) -> None:
    """Have files copied anew under whose keys replicas were deleted that nobody had."""
    await session.execute(_COPY_ANEW, {"keys": list(keys)})


def _held(duties: Sequence[ReplicaDuty]) -> dict[str, object]:
    return {"ids": [duty.file_id for duty in duties], "leases": [duty.lease_id for duty in duties]}
