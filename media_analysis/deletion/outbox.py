"""The outbox: bytes of deleted files that still have to go, with attempts, backoff and a last error."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.columns import CATEGORY
from media_analysis.db.locks import NamedLock
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.models import Purge
from media_analysis.deletion.tombstones import PURGE_LEASE, Claim, ClaimedFile
from media_analysis.storage.category import Category

QUARANTINE_LOCK: Final = NamedLock("media-analysis.quarantine", "another process ends what was set aside")
"""Whoever deletes what was set aside holds it, and pauses wait for that."""
END_PURGES: Final = "DELETE FROM purges"
# While deletion is paused bytes stay, whoever wanted them gone; the files of one entry are of one category.
_RUNNING: Final = """NOT EXISTS (
    SELECT FROM pauses WHERE pauses.resumed_at IS NULL AND pauses.cause NOT IN ('eviction', 'marks')
        AND (pauses.category IS NULL OR pauses.category = (
            SELECT stone.category FROM tombstones AS stone WHERE stone.id = purges.tombstone_ids[1]
        ))
)"""
# Those that a pause keeps are passed over once: whoever claims one after the other goes on behind the last.
CLAIM_PURGE = text(f"""
    WITH next AS MATERIALIZED (
        SELECT id, due_at FROM purges
        WHERE due_at <= :now AND due_at >= coalesce(CAST(:after AS timestamptz), '-infinity') AND {_RUNNING}
        ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE purges SET due_at = now() + :lease, attempts = attempts + 1, last_error = NULL
    FROM next WHERE purges.id = next.id
    RETURNING purges.id, attempts, tombstone_ids, secure, again, next.due_at AS was_due_at
""")  # noqa: S608 - constants
# Being put off is no attempt: whoever comes first once deletion goes on has it.
_POSTPONE = text("""
    WITH locked AS MATERIALIZED (
        SELECT id FROM purges WHERE id = ANY(CAST(:ids AS uuid[])) AND due_at IS NOT NULL ORDER BY id FOR UPDATE
    )
    UPDATE purges SET due_at = now(), attempts = attempts - 1 FROM locked WHERE purges.id = locked.id
""")
# An entry whose bytes could not go before says why while it waits for its next turn, and no more once it has that.
_UNDER_WAY = text(f"""
    SELECT EXISTS (
        SELECT FROM purges
        WHERE due_at > now() AND due_at <= now() + :lease AND attempts > 0 AND last_error IS NULL
            AND coalesce(CAST(:category AS category) = (
                SELECT stone.category FROM tombstones AS stone WHERE stone.id = purges.tombstone_ids[1]
            ), true)
    ) OR NOT pg_try_advisory_xact_lock_shared(hashtextextended('{QUARANTINE_LOCK.name}', 0))
""")  # noqa: S608 - a constant

# A hundred entries of one deletion are purged one after the other, each on a lease from its own beginning.
_RENEW_PURGE = text("""
    UPDATE purges SET due_at = now() + :lease, last_error = NULL WHERE id = :id AND due_at IS NOT NULL
    RETURNING id, attempts, tombstone_ids, secure, again
""")

_PURGE_FILES = text("""
    SELECT id, key, coalesce(size_bytes, 0) AS size_bytes, category
    FROM tombstones WHERE id = ANY(CAST(:ids AS uuid[]))
""").columns(category=CATEGORY)

_SUM_UNFINISHED = text(f"""
    SELECT stone.category, count(*), coalesce(sum(stone.size_bytes), 0)::bigint
    FROM purges JOIN tombstones AS stone ON stone.id = ANY(purges.tombstone_ids)
    WHERE purges.due_at <= :now AND NOT purges.again AND {_RUNNING} GROUP BY stone.category
""").columns(category=CATEGORY)  # noqa: S608 - constants

_CONFIRM = text("""
    UPDATE purges SET confirmed_at = now(), due_at = NULL, tombstone_ids = '{}', last_error = NULL WHERE id = :id
""")

_ADD_RETRIES = text("""
    INSERT INTO purges (id, sweep_id, tombstone_ids, claimed_at, due_at, attempts, last_error, dead_at, secure, again)
    SELECT retry.id, purges.sweep_id, ARRAY[retry.tombstone_id], purges.claimed_at,
        CASE WHEN NOT :given_up THEN now() + :pause END, CAST(:attempts AS bigint), retry.error,
        CASE WHEN :given_up THEN now() END, purges.secure, purges.again
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tombstone_ids AS uuid[]), CAST(:errors AS text[]))
        AS retry(id, tombstone_id, error), purges
    WHERE purges.id = :purge_id
""")

_ADD_SECOND = text("""
    INSERT INTO purges (id, sweep_id, tombstone_ids, claimed_at, due_at, attempts, secure, again)
    SELECT :id, sweep_id, CAST(:gone AS uuid[]), claimed_at, now() + :after, 0, secure, true
    FROM purges WHERE id = :purge_id AND cardinality(CAST(:gone AS uuid[])) > 0
""")

_ADD_AGAIN = text("""
    INSERT INTO purges (id, tombstone_ids, claimed_at, due_at, attempts, again)
    VALUES (:id, CAST(:ids AS uuid[]), now(), now() + :after, 0, true)
""")

_POINT_TO_RETRIES = text("""
    UPDATE tombstones SET purge_id = retry.id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tombstone_ids AS uuid[])) AS retry(id, tombstone_id)
    WHERE tombstones.id = retry.tombstone_id
""")

_SUM_ENTRIES = text("""
    SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM tombstones
    WHERE id = ANY(ARRAY(SELECT unnest(tombstone_ids) FROM purges WHERE id = ANY(CAST(:ids AS uuid[]))))
""")

_TELL_VERSIONS = text("""
    UPDATE tombstones SET versions_kept = true WHERE id = ANY(CAST(:ids AS uuid[])) AND NOT versions_kept
""")
_MARK_PURGED = text("UPDATE tombstones SET purged_at = now() WHERE id = ANY(CAST(:ids AS uuid[]))")


async def postpone(session: AsyncSession, purges: Sequence[UUID]) -> None:
    """Hand entries back unpurged; they are open to whoever may purge them first."""
    await session.execute(_POSTPONE, {"ids": list(purges)})


async def sum_entries(session: AsyncSession, purges: Sequence[UUID]) -> tuple[int, int]:
    """Return the files and bytes that these entries still hold."""
    files, size_bytes = (await session.execute(_SUM_ENTRIES, {"ids": list(purges)})).one()
    return files, size_bytes


async def is_under_way(session: AsyncSession, category: Category | None) -> bool:
    """Say whether somebody may be unlinking bytes of a category, or of any, right now."""
    asked = {"category": None if category is None else category.value, "lease": PURGE_LEASE}
    return bool((await session.execute(_UNDER_WAY, asked)).scalar_one())


async def add_confirmed(session: AsyncSession, *, at: datetime) -> UUID:
    """Add an entry whose bytes went long ago, and return its id."""
    purge = Purge(id=uuid7(), tombstone_ids=[], claimed_at=at, confirmed_at=at)
    session.add(purge)
    await session.flush()
    return purge.id


async def add_again(session: AsyncSession, files: Sequence[UUID], *, after: timedelta) -> None:
    """Add an entry that deletes again, so much later, what went from a store by other means; of one category."""
    await session.execute(_ADD_AGAIN, {"id": uuid7(), "ids": list(files), "after": after})


async def claim_purge(session: AsyncSession, *, now: datetime, after: datetime | None = None) -> Claim | None:
    """Take over the most overdue outbox entry that no pause keeps; its claimer died, or an earlier try failed.

    `after` is when the one taken before was due; entries due earlier are not looked at again.
    """
    asked = {"now": now, "after": after, "lease": PURGE_LEASE}
    while (entry := (await session.execute(CLAIM_PURGE, asked)).one_or_none()) is not None:
        claim = await _load(session, entry)
        if claim is not None:
            return replace(claim, due_at=entry.was_due_at)
        await session.execute(_CONFIRM, {"id": entry.id})  # all of it was restored since it went for the first time
    return None


async def get_claim(session: AsyncSession, purge_id: UUID) -> Claim | None:
    """Return an entry this process made and may go on with; None if another one has seen to it."""
    entry = (await session.execute(_RENEW_PURGE, {"id": purge_id, "lease": PURGE_LEASE})).one_or_none()
    return None if entry is None else await _load(session, entry)


async def _load(session: AsyncSession, entry: Row[Any]) -> Claim | None:
    rows = (await session.execute(_PURGE_FILES, {"ids": entry.tombstone_ids})).all()
    if not rows:
        return None
    files = [ClaimedFile(file_id, key, size_bytes) for file_id, key, size_bytes, _ in rows]
    return Claim(entry.id, entry.attempts, rows[0].category, files, entry.secure, entry.again)


async def sum_unfinished(session: AsyncSession, *, now: datetime) -> Sequence[tuple[Category, int, int]]:
    """Return the files and bytes per category that outbox entries open to takeover hold for the first time."""
    rows = await session.execute(_SUM_UNFINISHED, {"now": now})
    return [(category, files, size_bytes) for category, files, size_bytes in rows]


async def confirm(
    session: AsyncSession,
    claim: Claim,
    failed: Sequence[tuple[ClaimedFile | DueFile, str]],
    *,
    max_attempts: int,
    late_writes: timedelta | None,
    keeps_versions: bool,
) -> None:
    """Close an outbox entry; every file that failed gets an entry, a backoff and a last error of its own.

    Where writes may be late, what went gets an entry that deletes it again when none can come any more.
    """
    refused = {file.id for file, _ in failed}
    gone = [file.id for file in claim.files if file.id not in refused]
    if keeps_versions:
        await session.execute(_TELL_VERSIONS, {"ids": gone})
    if late_writes is not None and not claim.again:
        second = {"id": uuid7(), "purge_id": claim.purge_id, "gone": gone, "after": late_writes}
        await session.execute(_ADD_SECOND, second)
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
        if not claim.again:  # else they went, and say so
            await session.execute(_POINT_TO_RETRIES, retries)
    else:
        # Losing this COMMIT in a crash only means unlinking absent names once more, so it need not reach the disk now.
        await session.execute(text("SET LOCAL synchronous_commit = off"))
    if claim.secure and not claim.again:
        await session.execute(_MARK_PURGED, {"ids": gone})
    await session.execute(_CONFIRM, {"id": claim.purge_id})


def backoff(attempts: int) -> timedelta:
    """Return the pause after so many tries: a minute, doubling up to a day."""
    return min(timedelta(minutes=2 ** min(attempts - 1, 20)), timedelta(days=1))
