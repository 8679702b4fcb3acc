"""Segments of archives: files of a run like others, dated together."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.archived import ARCHIVE_ROLE
from media_analysis.files.models import MediaFile
from media_analysis.files.protection import BLIND, ending
from media_analysis.states import FileState

_MARK: Final = text("""
    UPDATE media_files SET job_id = :job_id, role = 'archive', ordinal = :segment, version = version + 1
    WHERE id = :archive_id
""")


async def mark_segment(session: AsyncSession, archive_id: UUID, *, job_id: UUID, segment: int) -> None:
    """Make a file just stored a segment of its run's archive."""
    await session.execute(_MARK, {"archive_id": archive_id, "job_id": job_id, "segment": segment})


async def date_segments(session: AsyncSession, job_id: UUID, ends_at: datetime | None) -> None:
    """Let all segments of a run end when the run does; None is never."""
    theirs = (MediaFile.job_id == job_id, MediaFile.role == ARCHIVE_ROLE, MediaFile.state == FileState.STORED)
    dated = update(MediaFile).where(*theirs).values(**ending(ends_at))
    await session.execute(dated, execution_options=BLIND)
