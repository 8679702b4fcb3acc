"""Files in archives: where each lies inside its archive, and all that a restore needs to bring it back."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY, living
from media_analysis.db.base import Base
from media_analysis.errors import ArchiveOfJob
from media_analysis.storage.category import Category

ARCHIVE_ROLE: Final = "archive"
"""What a segment of an archive is to its job; its ordinal is the segment's number."""


class ArchivedFile(Base):
    """A file that an archive has a copy of; while its run is archived, the only one."""

    __tablename__ = "archived_files"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0 AND frame_offset >= 0 AND skip_bytes >= 0", name="places_not_negative"),
        Index("ix_archived_files_place", "archive_id", "frame_offset", "skip_bytes"),
        # With the sizes, so that what archives hold is summed from the index alone.
        Index("ix_archived_files_job", "job_id", "file_id", postgresql_include=["size_bytes"]),
        Index("ix_archived_files_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    )

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    archive_id: Mapped[UUID]
    """The segment, a file of category `archives`."""
    job_id: Mapped[UUID] = mapped_column(ForeignKey("analysis_jobs.id", ondelete="CASCADE"))
    owner: Mapped[str]
    name: Mapped[str]
    """The member's name below the run's folder, such as `frames/frame-000001.jpg`."""
    category: Mapped[Category] = mapped_column(CATEGORY)
    filename: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[bytes]
    parent_id: Mapped[UUID | None]
    role: Mapped[str | None]
    ordinal: Mapped[int | None]
    instant_seconds: Mapped[float | None]
    created_at: Mapped[datetime]
    stored_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    """When it would have gone, had it not been archived."""
    expiry_explicit: Mapped[bool]
    min_retain_until: Mapped[datetime | None]
    frame_offset: Mapped[int]
    """Where in the archive's bytes the frame begins that holds it."""
    skip_bytes: Mapped[int]
    """How many bytes of the opened frame come before its tar header."""


_HAS_COPY: Final = text(f"""
    SELECT EXISTS (
        SELECT FROM archived_files AS copy JOIN media_files AS segment ON segment.id = copy.archive_id
        WHERE copy.file_id = :file_id AND segment.state = 'stored' AND {living("segment.expires_at", "now()")}
    )
""")  # noqa: S608 - a fragment of ours


async def has_copy(session: AsyncSession, file_id: UUID) -> bool:
    """Say whether a file can be read in the archive of its run."""
    return bool((await session.execute(_HAS_COPY, {"file_id": file_id})).scalar_one())


_SEGMENT: Final = text("SELECT job_id FROM media_files WHERE id = :file_id AND role = 'archive' AND state <> 'pending'")


async def require_no_segment(session: AsyncSession, file_id: UUID) -> None:
    """Return unless a file is the archive of a run, or a part of it.

    Raises:
        ArchiveOfJob: it is.

    """
    job_id = (await session.execute(_SEGMENT, {"file_id": file_id})).scalar_one_or_none()
    if job_id is not None:
        raise ArchiveOfJob(file_id, job_id=job_id)
