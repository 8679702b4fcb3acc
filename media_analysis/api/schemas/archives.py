"""Documents about archives of jobs: which there are, and what is in them."""

from datetime import date, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from media_analysis.api import API_PATH
from media_analysis.api.pages import PageQuery, decode_moment, encode_cursor, encode_moment
from media_analysis.api.place import address
from media_analysis.api.schemas.archive_tasks import ArchiveTaskRead
from media_analysis.api.schemas.base import Hex, RequestDocument
from media_analysis.api.schemas.jobs import archive_path, hold_facts
from media_analysis.archive.catalog import ArchivedFilter, ArchivedPage, ArchivedPosition, ArchivedRun, ArchiveView
from media_analysis.files.archived import ArchivedFile
from media_analysis.files.models import MediaFile
from media_analysis.jobs.models import JobStatus
from media_analysis.storage.category import Category
from media_analysis.values import Day, Instant, Owner, midnight

LAST_SEGMENT: Final = 2**31 - 1


class ArchivedListQuery(RequestDocument):
    """Which archived jobs a list shows, and which page of it; unknown parameters are refused."""

    start_date: Day | Instant | None = Field(
        None, description="Archived on this day (UTC) or later, or at this instant or later"
    )
    end_date: Day | Instant | None = Field(
        None, description="Archived on this day (UTC) or earlier, or earlier than this instant"
    )
    owner: Owner | None = Field(None, description="Administrators only; others see their own")
    limit: int = Field(100, ge=1, le=500, description="How many items at the most")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        begin, end = _begin_of(self.start_date), _end_of(self.end_date)
        if begin is None or end is None:
            return self
        if end < begin or (end == begin and not isinstance(self.end_date, datetime)):  # a day's end is the next one's
            raise ValueError("end_date lies before start_date")
        return self

    def wanted(self, *, scope: str | None) -> ArchivedFilter:
        """Return the filter for a caller who may see `scope`, everybody's jobs if None."""
        return ArchivedFilter(
            owner=scope or self.owner,
            archived_after=_begin_of(self.start_date),
            archived_before=_end_of(self.end_date),
        )

    def after(self) -> ArchivedPosition | None:
        """Return the position behind which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours.

        """
        return None if self.cursor is None else ArchivedPosition(*decode_moment(self.cursor))


class SegmentQuery(RequestDocument):
    """Which segment of an archive is meant."""

    segment: int | None = Field(None, ge=0, le=LAST_SEGMENT, description="Its number; without, the first there is")


class SegmentRead(BaseModel):
    """One of the objects that make up an archive, each readable without the others."""

    id: UUID
    segment: int = Field(description="Its number; later ones hold what came to the job after it had been restored")
    filename: str
    media_type: str
    size_bytes: int
    sha256: Hex | None
    expires_at: datetime | None = Field(description="When it is deleted; null is never")
    download: str = Field(description="Where its bytes are")

    @classmethod
    def from_file(cls, file: MediaFile, job_id: UUID) -> Self:
        """Return the document of a segment."""
        segment = file.ordinal or 0
        return cls(
            id=file.id,
            segment=segment,
            filename=file.filename,
            media_type=file.media_type,
            size_bytes=file.size_bytes or 0,
            sha256=file.sha256,
            expires_at=file.expires_at,
            download=f"{archive_path(job_id)}/download?segment={segment}",
        )


class ArchiveLinks(BaseModel):
    """Where to go on from an archived job."""

    job: str
    archive: str
    download: str = Field(description="The first segment's bytes")
    restore: str = Field(description="To be sent a POST")


class ArchivedJobRead(BaseModel):
    """An archived job, read-only until it is restored."""

    id: UUID
    owner: str
    name: str
    kind: str
    status: JobStatus
    folder_name: str = Field(description="All members of the archive lie below it")
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    archived_at: datetime | None = Field(description="Null while it is active: not archived yet, or restored")
    restored_at: datetime | None
    expires_at: datetime | None = Field(description="When it is deleted with its archive; null is not by its own date")
    held: bool
    held_until: datetime | None = Field(description="Null, where it is held, is until somebody releases it")
    hold_reason: str | None
    held_by: str | None
    files: int | None = Field(description="How many files the archive holds; null where that was not written down")
    size_bytes: int | None = Field(description="Their bytes before they were packed")
    archive_bytes: int = Field(description="Bytes of all segments")
    segments: list[SegmentRead]
    links: ArchiveLinks

    @classmethod
    def from_run(cls, run: ArchivedRun) -> Self:
        """Return the document of an archived run."""
        return cls(**_facts(run))


class ArchivedJobList(BaseModel):
    """One page of archived jobs, the last archived first."""

    items: list[ArchivedJobRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: ArchivedPage) -> Self:
        """Return the document of a page."""
        cursor = None if page.next_after is None else encode_position(page.next_after)
        return cls(items=[ArchivedJobRead.from_run(run) for run in page.jobs], next_cursor=cursor)


class ArchivedFileRead(BaseModel):
    """A file inside an archive, and where in it; a restored one lives beside its copy."""

    id: UUID
    name: str = Field(description="Its member's name, as `tar` lists it")
    filename: str
    category: Category
    media_type: str
    size_bytes: int
    sha256: Hex
    role: str | None
    ordinal: int | None
    instant_seconds: float | None
    created_at: datetime
    parent_id: UUID | None
    labels: dict[str, str]
    segment: int | None = Field(description="Number of the segment that holds it")
    frame_offset: int = Field(description="Where in the segment's bytes the frame begins that holds it")
    skip_bytes: int = Field(description="Bytes of the decompressed frame before the member's header")
    content: str = Field(description="Where its bytes are served from inside the archive")

    @classmethod
    def from_copy(cls, copy: ArchivedFile, run: ArchivedRun) -> Self:
        """Return the document of a file in a run's archive."""
        segments = {segment.id: segment.ordinal for segment in run.segments}
        made = {"id", "name", "labels", "segment", "content"}
        return cls(
            **{field: getattr(copy, field) for field in cls.model_fields if field not in made},
            id=copy.file_id,
            name=f"{run.job.folder_name}/{copy.name}",
            labels=copy.labels or {},
            segment=segments.get(copy.archive_id),
            content=f"{archive_path(copy.job_id)}/files/{copy.file_id}/content",
        )


class ArchiveRead(ArchivedJobRead):
    """A job's archive: its segments, one page of its files in the order of ids, and what was last done to it."""

    items: list[ArchivedFileRead]
    next_cursor: str | None
    task: ArchiveTaskRead | None = Field(description="The last archiving or restoring, with its progress")

    @classmethod
    def from_archive(cls, archive: ArchiveView) -> Self:
        """Return the document of an archive."""
        return cls(
            **_facts(archive.run),
            items=[ArchivedFileRead.from_copy(copy, archive.run) for copy in archive.files],
            next_cursor=encode_cursor(archive.next_after),
            task=None if archive.task is None else ArchiveTaskRead.from_task(archive.task),
        )


class ArchiveQuery(PageQuery):
    """Which of an archive's files are wanted, and which page of them."""

    category: Category | None = None


def _facts(run: ArchivedRun) -> dict[str, Any]:
    job, originals = run.job, run.originals
    path = archive_path(job.id)
    job_path = address(f"{API_PATH}/jobs/{job.id}")
    links = ArchiveLinks(job=job_path, archive=path, download=f"{path}/download", restore=f"{job_path}/restore")
    return {
        **{name: getattr(job, name) for name in _COLUMNS},
        **hold_facts(job, run.at),
        "files": None if originals is None else originals.files,
        "size_bytes": None if originals is None else originals.size_bytes,
        "archive_bytes": run.size_bytes,
        "segments": [SegmentRead.from_file(segment, job.id) for segment in run.segments],
        "links": links,
    }


_COLUMNS: Final = (
    "id",
    "owner",
    "name",
    "kind",
    "status",
    "folder_name",
    "created_at",
    "started_at",
    "completed_at",
    "archived_at",
    "restored_at",
    "expires_at",
)


def encode_position(position: ArchivedPosition) -> str:
    """Return the cursor of the page that begins behind a position."""
    return encode_moment(position.archived_at, position.id)


def _begin_of(given: date | datetime | None) -> datetime | None:
    return given if given is None or isinstance(given, datetime) else midnight(given)


def _end_of(given: date | datetime | None) -> datetime | None:
    return given if given is None or isinstance(given, datetime) else midnight(given + timedelta(days=1))
