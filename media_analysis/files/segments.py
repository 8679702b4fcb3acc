"""Segments of archives: files of a run like others, dated together."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.dates import due_at

_MARK: Final = text("""
    UPDATE media_files SET job_id = :job_id, role = 'archive', ordinal = :segment, version = version + 1
    WHERE id = :archive_id
""")
_DATE: Final = text(f"""
    UPDATE media_files SET expires_at = :ends_at, expiry_explicit = true, version = version + 1,
        due_at = {due_at("CAST(:ends_at AS timestamptz)", "min_retain_until", "held_until", "job_held_until")}
    WHERE job_id = :job_id AND role = 'archive' AND state = 'stored'
""")  # noqa: S608 - fragments of ours


async def mark_segment(session: AsyncSession, archive_id: UUID, *, job_id: UUID, segment: int) -> None:
    """Make a file just stored a segment of its run's archive."""
    await session.execute(_MARK, {"archive_id": archive_id, "job_id": job_id, "segment": segment})


async def date_segments(session: AsyncSession, job_id: UUID, ends_at: datetime | None) -> None:
    """Let all segments of a run end when the run does; None is never."""
    await session.execute(_DATE, {"job_id": job_id, "ends_at": ends_at})
