"""The life of a file, as parts of statements: whoever moves files on puts one into its own, beside those of others.

A file is stored (from an upload, a run's products, an archive, or where it lay), maybe leased and dated anew, thrown
away, restored, and removed. A part leaves `due_at` true, and the version another where a plan could have seen the row.
`timed` is a relation of the statement: (id, stored_at, ends_at, explicit, minimum_ends_at, job_held_until), and more.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.dates import due_at
from media_analysis.states import finite

STORE: Final = f"""
    UPDATE media_files AS file SET
        state = 'stored', reserved_bytes = NULL, arrived_bytes = NULL, stored_at = timed.stored_at,
        expires_at = timed.ends_at, expiry_explicit = timed.explicit, min_retain_until = timed.minimum_ends_at,
        job_held_until = greatest(file.job_held_until, timed.job_held_until),
        due_at = {due_at("timed.ends_at", "timed.minimum_ends_at", "file.job_held_until", "timed.job_held_until")}
"""  # noqa: S608 - fragments of ours
"""A pending file is complete; what else is known of it by now may follow."""
STORE_PRODUCT: Final = f"""
    {STORE}, labels = timed.labels
    FROM timed WHERE file.id = timed.id RETURNING file.owner, file.category, file.size_bytes, timed.reserved_bytes
"""
STORE_COPY: Final = f"""
    {STORE}, id = timed.file_id, job_id = timed.job_id, parent_id = timed.parent_id, role = timed.role,
        ordinal = timed.ordinal, instant_seconds = timed.instant_seconds, labels = timed.labels,
        size_bytes = timed.size_bytes,
        sha256 = timed.sha256, created_at = timed.created_at
    FROM timed WHERE file.id = timed.id RETURNING file.owner, file.category, file.size_bytes, timed.reserved_bytes
"""
"""A pending file becomes the archived one that it is a copy of, under the id of that."""
ADD_STORED: Final = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, job_id, size_bytes,
                             sha256, created_at, stored_at, expires_at, expiry_explicit, min_retain_until,
                             job_held_until, due_at)
    SELECT id, owner, category, 'stored', key, filename, media_type, job_id, size_bytes,
           sha256, stored_at, stored_at, ends_at, explicit, minimum_ends_at,
           job_held_until, {due_at("ends_at", "minimum_ends_at", "job_held_until")}
    FROM timed ON CONFLICT DO NOTHING
"""  # noqa: S608 - fragments of ours
"""A file that lies in the store already, and is as old as its bytes."""
LEASE: Final = """
    UPDATE media_files AS file SET leased_until = :until, version = version + 1
    FROM locked WHERE file.id = locked.id AND (file.leased_until < :until OR file.leased_until IS NULL)
"""
"""A job works with those `locked` until then."""
RELEASE: Final = f"""
    UPDATE media_files AS file SET leased_until = {{others}}, version = version + 1,
        due_at = {due_at("file.expires_at", "file.min_retain_until", "file.held_until", "file.job_held_until")}
    FROM kept WHERE file.id = kept.file_id AND file.state = 'stored' AND file.leased_until <= kept.until
"""  # noqa: S608 - fragments of ours
"""A job works no more with those it `kept` (file_id, until); `others` is until when another one does."""
TRASH: Final = """
    UPDATE media_files SET
        state = 'trashed', trashed_at = clock.now, trash_ends_at = clock.now + :kept_for,
        due_at = clock.now + :kept_for, trash_rule = CAST(:rule AS retention_rule),
        trashed_by = :requested_by, trash_reason = :reason,
        trash_sweep_id = :sweep_id, leased_until = NULL, version = version + 1
    FROM (SELECT CAST(:now AS timestamptz)) AS clock(now)
    WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING owner, category, size_bytes, reserved_bytes
"""
RESTORE: Final = f"""
    UPDATE media_files AS file SET
        state = 'stored', trashed_at = NULL, trash_ends_at = NULL, trash_rule = NULL, trashed_by = NULL,
        trash_reason = NULL, trash_sweep_id = NULL, version = version + 1, expires_at = ends_at,
        expiry_explicit = expiry_explicit OR coalesce(ended, false),
        due_at = {due_at("ends_at", "min_retain_until", "held_until", "job_held_until")}
    FROM timed WHERE file.id = timed.id RETURNING owner, category, size_bytes, reserved_bytes
"""  # noqa: S608 - fragments of ours
"""Out of the trash; a file that has `ended` meanwhile has the new end for its own."""
REMOVE: Final = "DELETE FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) RETURNING *"
"""What is left is a tombstone."""

_MARK_HASHED: Final = text("""
    UPDATE media_files AS file SET sha256 = known.sha256
    FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[]), CAST(:sizes AS bigint[])) AS known(id, sha256, size)
    WHERE file.id = known.id AND file.sha256 IS NULL AND file.size_bytes = known.size
    RETURNING file.id
""")
_RESCHEDULE: Final = text("""
    UPDATE media_files SET due_at = later.due_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[])) AS later(id, due_at)
    WHERE media_files.id = later.id
""")


def redate(ends_at: str, kept_until: str) -> str:
    """Return the part that gives those `locked` the dates of another policy, SQL of the row."""
    return f"""
    UPDATE media_files AS file SET
        expires_at = {ends_at}, min_retain_until = {kept_until}, version = version + 1,
        due_at = {due_at(ends_at, kept_until, "held_until", "job_held_until")}
    FROM locked WHERE file.id = locked.id AND state = 'stored'
    """  # noqa: S608 - fragments of ours


async def mark_hashed(session: AsyncSession, read: Sequence[tuple[UUID, int, bytes]]) -> int:
    """Give imported files (id, size, SHA-256) the hash they were read with; return how many had none."""
    if not read:
        return 0
    ids, sizes, hashes = (list(column) for column in zip(*read, strict=True))
    return len((await session.execute(_MARK_HASHED, {"ids": ids, "sizes": sizes, "hashes": hashes})).all())


async def reschedule(session: AsyncSession, kept: Mapping[UUID, datetime | None]) -> None:
    """Set when files that fell due but may not go yet are looked at again."""
    instants = [finite(until) for until in kept.values()]
    await session.execute(_RESCHEDULE, {"ids": list(kept), "instants": instants})
