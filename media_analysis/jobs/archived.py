"""Runs in archives: when they are, for how long, and what of them the summary tells that stays."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import DerivedArchived

_SUM_COPIES: Final = text("""
    SELECT category::text, count(*) AS files, sum(size_bytes)::bigint AS size_bytes
    FROM archived_files WHERE job_id = :job_id GROUP BY category ORDER BY category
""")
_SUM_SEGMENTS: Final = text("""
    SELECT count(*) AS segments, coalesce(sum(size_bytes), 0)::bigint AS size_bytes FROM (
        SELECT size_bytes FROM media_files WHERE job_id = :job_id AND role = 'archive' AND state <> 'pending'
        UNION ALL
        SELECT stone.size_bytes FROM tombstones AS stone WHERE stone.id = ANY(ARRAY(
            SELECT DISTINCT archive_id FROM archived_files WHERE job_id = :job_id
        ))
    ) AS segment
""")
_MARK_ARCHIVED: Final = text("""
    UPDATE analysis_jobs SET archived_at = :archived_at, archive_file_id = coalesce(:archive_id, archive_file_id),
        expires_at = :ends_at, lifetime_seconds = NULL
    WHERE id = :job_id
""")
_PUT_OFF: Final = text("UPDATE analysis_jobs SET expires_at = :ends_at WHERE id = :job_id")
# An end somebody asked for stays, which files or results share with the run, or which lies behind a whole new life;
# any other belonged to the archive.
_MARK_RESTORED: Final = text("""
    UPDATE analysis_jobs AS job SET archived_at = NULL, restored_at = now(),
        expires_at = CASE WHEN job.expires_at > now() + :kept_for OR job.expires_at > now() AND (
            EXISTS (SELECT FROM archived_files AS copy
                WHERE copy.job_id = job.id AND copy.expiry_explicit AND copy.expires_at = job.expires_at)
            OR EXISTS (SELECT FROM analysis_results AS result
                WHERE result.job_id = job.id AND result.expires_at = job.expires_at)
        ) THEN job.expires_at END
    WHERE job.id = :job_id
""").bindparams(bindparam("kept_for", type_=Interval))
_ARCHIVED_ALONE: Final = """
    FROM archived_files AS copy JOIN analysis_jobs AS job ON job.id = copy.job_id
    WHERE job.archived_at IS NOT NULL AND job.deleted_at IS NULL
        AND NOT EXISTS (SELECT FROM media_files AS original WHERE original.id = copy.file_id)
"""
_DERIVED: Final = text(f"""
    SELECT copy.job_id, count(*) AS files {_ARCHIVED_ALONE}
        AND copy.parent_id = ANY(CAST(:ids AS uuid[])) AND copy.owner = :owner
    GROUP BY copy.job_id ORDER BY copy.job_id
""")
DERIVED_ARCHIVED: Final = f"EXISTS (SELECT {_ARCHIVED_ALONE} AND copy.parent_id = file.id AND copy.owner = file.owner)"
"""The condition on a `file` that something derived from it lies in an archive alone, as `require_none_derived`."""


async def mark_archived(
    session: AsyncSession, job_id: UUID, *, archived_at: datetime, archive_id: UUID | None, ends_at: datetime | None
) -> None:
    """Make a run an archived one, in a segment just stored or, without one, in those it has; it ends with them."""
    asked = {"job_id": job_id, "archived_at": archived_at, "archive_id": archive_id, "ends_at": ends_at}
    await session.execute(_MARK_ARCHIVED, asked)


async def put_off(session: AsyncSession, job_id: UUID, ends_at: datetime | None) -> None:
    """Let an archived run end later; None is never."""
    await session.execute(_PUT_OFF, {"job_id": job_id, "ends_at": ends_at})


async def mark_restored(session: AsyncSession, job_id: UUID, *, kept_for: timedelta) -> None:
    """Make an archived run a living one; an end that its archive gave it is gone, one that somebody gave stays."""
    await session.execute(_MARK_RESTORED, {"job_id": job_id, "kept_for": kept_for})


async def sum_archive(session: AsyncSession, job_id: UUID) -> dict[str, Any]:
    """Return what a run's archive holds: originals by category, segments, their bytes, and how far they shrank them."""
    copies = (await session.execute(_SUM_COPIES, {"job_id": job_id})).all()
    segments, packed_bytes = (await session.execute(_SUM_SEGMENTS, {"job_id": job_id})).one()
    original_bytes = sum(row.size_bytes for row in copies)
    return {
        "categories": {row.category: {"files": row.files, "size_bytes": row.size_bytes} for row in copies},
        "files": sum(row.files for row in copies),
        "original_bytes": original_bytes,
        "segments": segments,
        "packed_bytes": packed_bytes,
        "compression_ratio": round(original_bytes / packed_bytes, 3) if packed_bytes else None,
    }


async def require_none_derived(session: AsyncSession, ids: Sequence[UUID], *, owner: str) -> None:
    """Return unless something derived from the first of these files, or from the others, lies in archives alone.

    Raises:
        DerivedArchived: it does.

    """
    rows = (await session.execute(_DERIVED, {"ids": list(ids), "owner": owner})).all()
    if rows:
        raise DerivedArchived(
            ids[0], archived_files=sum(row.files for row in rows), job_ids=[row.job_id for row in rows]
        )
