"""Files in archives and the segments they lie in: where each lies, and all that a restore needs to bring it back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.columns import CATEGORY, LABELS, living
from media_analysis.db.base import Base
from media_analysis.db.ids import BLIND, change_in_order
from media_analysis.errors import ArchiveOfJob
from media_analysis.files.models import MediaFile
from media_analysis.files.protection import ending
from media_analysis.states import FileState
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
    labels: Mapped[dict[str, str] | None] = mapped_column(LABELS)
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


_MARK_SEGMENT: Final = text("""
    UPDATE media_files SET job_id = :job_id, role = 'archive', ordinal = :segment, version = version + 1
    WHERE id = :archive_id
""")
_SEGMENT: Final = text("SELECT job_id FROM media_files WHERE id = :file_id AND role = 'archive' AND state <> 'pending'")


async def mark_segment(session: AsyncSession, archive_id: UUID, *, job_id: UUID, segment: int) -> None:
    """Make a file just stored a segment of its run's archive."""
    await session.execute(_MARK_SEGMENT, {"archive_id": archive_id, "job_id": job_id, "segment": segment})


async def date_segments(session: AsyncSession, job_id: UUID, ends_at: datetime | None) -> None:
    """Let all segments of a run end when the run does; None is never."""
    theirs = (MediaFile.job_id == job_id, MediaFile.role == ARCHIVE_ROLE, MediaFile.state == FileState.STORED)
    dated = update(MediaFile).where(*theirs).values(**ending(ends_at))
    await session.execute(dated, execution_options=BLIND)


async def require_no_segment(session: AsyncSession, file_id: UUID) -> None:
    """Return unless a file is the archive of a run, or a part of it.

    Raises:
        ArchiveOfJob: it is.

    """
    job_id = (await session.execute(_SEGMENT, {"file_id": file_id})).scalar_one_or_none()
    if job_id is not None:
        raise ArchiveOfJob(file_id, job_id=job_id)


# What the rows say must be what the archive was found to hold; a row that differs is not taken, and then counted.
# The rows are read by their ids first: by its statistics the planner may take a run for smaller than it is.
_ADD_COPIES: Final = """
    WITH media_files AS MATERIALIZED (
        SELECT * FROM public.media_files WHERE id = ANY(CAST(:ids AS uuid[]))
    )
    INSERT INTO archived_files (file_id, archive_id, job_id, owner, name, category, filename, media_type, size_bytes,
        sha256, parent_id, role, ordinal, instant_seconds, created_at, stored_at, expires_at, expiry_explicit,
        min_retain_until, labels, frame_offset, skip_bytes)
    SELECT id, :archive_id, media_files.job_id, owner, found.name, category, filename, media_type,
        media_files.size_bytes, media_files.sha256, parent_id, role, ordinal, instant_seconds, created_at, stored_at,
        expires_at, expiry_explicit, min_retain_until, labels, found.frame_offset, found.skip_bytes
    FROM unnest(CAST(:ids AS uuid[]), CAST(:names AS text[]), CAST(:sizes AS bigint[]), CAST(:hashes AS bytea[]),
        CAST(:frames AS bigint[]), CAST(:skips AS bigint[]))
        AS found(id, name, size_bytes, sha256, frame_offset, skip_bytes)
    JOIN media_files USING (id)
    WHERE media_files.size_bytes = found.size_bytes AND media_files.sha256 = found.sha256 AND {goes}
    ON CONFLICT (file_id) DO NOTHING RETURNING file_id
"""
# A copy from before, of a file that was restored meanwhile, learns what was said of the file since.
_REFRESH_COPIES: Final = """
    UPDATE archived_files AS copy SET filename = media_files.filename, expires_at = media_files.expires_at,
        expiry_explicit = media_files.expiry_explicit, min_retain_until = media_files.min_retain_until,
        labels = media_files.labels
    FROM media_files
    WHERE copy.file_id = media_files.id AND copy.job_id = :job_id AND {goes}
        AND (copy.filename, copy.labels, copy.expiry_explicit, copy.min_retain_until,
            CASE WHEN copy.expiry_explicit THEN copy.expires_at END)
        IS DISTINCT FROM (media_files.filename, media_files.labels, media_files.expiry_explicit,
            media_files.min_retain_until,
            CASE WHEN media_files.expiry_explicit THEN media_files.expires_at END)
"""
_COLUMNS: Final = ("ids", "names", "sizes", "hashes", "frames", "skips")
_DELETE_COPIES: Final = text("DELETE FROM archived_files WHERE job_id = ANY(CAST(:job_ids AS uuid[]))")


async def add_copies(
    session: AsyncSession, found: Sequence[Sequence[Any]], goes: str, values: Mapping[str, Any]
) -> int:
    """Add what was found in a segment (id, name, size, SHA-256, frame, bytes to skip); return how many were added.

    Those files of which the condition `goes` is true count, and that are what was found.
    """
    columns = dict(zip(_COLUMNS, map(list, zip(*found, strict=True)), strict=True))
    added = await session.execute(text(_ADD_COPIES.format(goes=goes)), {**values, **columns})
    return len(added.all())


async def refresh_copies(session: AsyncSession, goes: str, values: Mapping[str, Any]) -> None:
    """Tell the copies of a run's files what was said of the files since."""
    await session.execute(text(_REFRESH_COPIES.format(goes=goes)), dict(values))


async def add_past_copies(session: AsyncSession, copies: Sequence[Mapping[str, Any]]) -> None:
    """Add copies, as rows, of files that never were ours."""
    await session.execute(insert(ArchivedFile), list(copies))


async def date_copies(session: AsyncSession, job_id: UUID, expires_at: datetime | None) -> None:
    """Give the files inside a job's archive the end they have once they are restored."""
    dated = update(ArchivedFile).values(expires_at=expires_at, expiry_explicit=True)
    await change_in_order(session, dated, ArchivedFile.file_id, ArchivedFile.job_id == job_id)


async def delete_copies(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Let go of what the archives of jobs hold."""
    await session.execute(_DELETE_COPIES, {"job_ids": list(job_ids)})
