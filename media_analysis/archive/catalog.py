"""What archives hold: archived runs, the files of one, the bytes of one file, and whether all of it is still whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive import tasks
from media_analysis.archive.models import ArchiveTask
from media_analysis.archive.opening import OpenCopy
from media_analysis.archive.packing import prove, segment_of
from media_analysis.archive.progress import TaskProgress
from media_analysis.archive.proof import require_found
from media_analysis.archive.tallies import OriginalsTally, list_tallies, sum_categories
from media_analysis.archive.unpacking import COPIES, Copy, Opened
from media_analysis.columns import CATEGORY
from media_analysis.db.database import Database, clock
from media_analysis.errors import ArchivedFileNotFound, FileGone, JobNotArchived, SegmentNotFound
from media_analysis.files.archived import ARCHIVE_ROLE, ArchivedFile
from media_analysis.files.damage import open_tracked
from media_analysis.files.models import MediaFile
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import require_job
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectReader, ObjectStore

_COPY: Final = text(f"""
    {COPIES}
    WHERE copy.file_id = :file_id AND copy.job_id = :job_id
""").columns(category=CATEGORY)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedFilter:
    """Which archived runs a list shows; None means any."""

    owner: str | None = None
    archived_after: datetime | None = None
    """From this instant on."""
    archived_before: datetime | None = None
    """Up to, not including, this instant."""


@dataclass(frozen=True, slots=True)
class ArchivedPosition:
    """Where a run stands among the archived ones, the last archived first."""

    archived_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class ArchivedPage:
    """Some archived runs, each with its segments, and where the next page begins."""

    jobs: Sequence["ArchivedRun"]
    next_after: ArchivedPosition | None


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """An archived run and the segments of its archive, in order."""

    job: AnalysisJob
    segments: Sequence[MediaFile]
    at: datetime
    """When it was looked at."""
    tallies: Mapping[UUID, OriginalsTally] = field(default_factory=dict)
    """What went into each segment, as far as is known."""

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes or 0 for segment in self.segments)

    @property
    def originals(self) -> OriginalsTally | None:
        """What all segments hold; None where that is not known of one, or there is none."""
        known = [self.tallies[segment.id] for segment in self.segments if segment.id in self.tallies]
        if not known or len(known) < len(self.segments):
            return None
        return OriginalsTally(sum(one.files for one in known), sum(one.size_bytes for one in known))


@dataclass(frozen=True, slots=True)
class ArchiveView:
    """An archive as its owner sees it: the run, its segments, a page of its files, and what was last done to it."""

    run: ArchivedRun
    files: Sequence[ArchivedFile]
    next_after: UUID | None
    task: ArchiveTask | None


@dataclass(frozen=True)
class CatalogService:
    """Reads archives and what is known of them; `owner=None` is an administrator."""

    db: Database
    store: ObjectStore

    async def list(
        self, wanted: ArchivedFilter, *, after: ArchivedPosition | None, limit: int, now: datetime | None = None
    ) -> ArchivedPage:
        """Return one page of archived runs, the last archived first."""

        async def read() -> ArchivedPage:
            async with self.db.read_only() as session:
                query = select_archived(wanted, after=after, limit=limit + 1, now=now)
                found = (await session.execute(query)).all()
                page = found[:limit]
                job_ids = [job.id for job, _ in page]
                segments, tallies = await _segments_of(session, job_ids), await list_tallies(session, job_ids)
            runs = [ArchivedRun(job, segments.get(job.id, []), at, tallies) for job, at in page]
            last = runs[-1].job if len(found) > limit else None
            return ArchivedPage(runs, None if last is None else _position_of(last))

        return await self.db.retry(read)

    async def read(
        self, job_id: UUID, *, owner: str | None, after: UUID | None, limit: int, category: Category | None = None
    ) -> ArchiveView:
        """Return an archive with a page of its files, all or of one category, in the order of ids.

        A restored run may still have one.

        Raises:
            JobNotFound, JobGone: unknown, somebody else's, or deleted.
            JobNotArchived: it never was.

        """

        async def read() -> ArchiveView:
            async with self.db.read_only() as session:
                job, at = await require_job(session, job_id, owner=owner)
                segments = (await _segments_of(session, [job_id])).get(job_id, [])
                tallies, task = await list_tallies(session, [job_id]), await tasks.get_last_task(session, job_id)
                if not segments and task is None:
                    raise JobNotArchived(job_id)
                query = select(ArchivedFile).where(ArchivedFile.job_id == job_id).order_by(ArchivedFile.file_id)
                if after is not None:
                    query = query.where(ArchivedFile.file_id > after)
                if category is not None:
                    query = query.where(ArchivedFile.category == category)
                files = (await session.scalars(query.limit(limit + 1))).all()
            more = files[limit - 1].file_id if len(files) > limit else None
            return ArchiveView(ArchivedRun(job, segments, at, tallies), files[:limit], more, task)

        return await self.db.retry(read)

    async def sum_categories(self, job_id: UUID, *, owner: str | None) -> Mapping[Category, OriginalsTally]:
        """Return how many files an archive holds of each category, and their bytes before they were packed.

        Raises:
            JobNotFound, JobGone: unknown, somebody else's, or deleted.

        """

        async def read() -> Mapping[Category, OriginalsTally]:
            async with self.db.read_only() as session:
                await require_job(session, job_id, owner=owner)
                return await sum_categories(session, job_id)

        return await self.db.retry(read)

    async def open_segment(
        self, job_id: UUID, *, owner: str | None, segment: int | None = None
    ) -> tuple[MediaFile, ObjectReader]:
        """Return a segment, the first there is unless one is named, and its opened bytes.

        Raises:
            JobNotFound, JobGone, JobNotArchived, SegmentNotFound: there is none.
            FileGone: its end has come.
            ObjectMissing, ObjectDamaged, StoreUnavailable: its bytes are not to be had.

        """
        async with self.db.read_only() as session:
            job, at = await require_job(session, job_id, owner=owner)
            segments = (await _segments_of(session, [job.id])).get(job.id, [])
        if not segments:
            raise JobNotArchived(job_id)
        chosen = [one for one in segments if segment is None or one.ordinal == segment]
        if not chosen:
            raise SegmentNotFound(job_id, segment=segment or 0)
        _require_current(chosen[0], at)
        return chosen[0], await open_tracked(self.db, self.store, chosen[0])

    async def open_file(self, job_id: UUID, file_id: UUID, *, owner: str | None) -> OpenCopy:
        """Return one file of an archive, opened where it lies; nothing else of the archive is read.

        Raises:
            JobNotFound, JobGone, ArchivedFileNotFound: there is no such file.
            FileGone: the archive's end has come.
            ObjectMissing, ArchiveDamaged: the archive's bytes are not to be had.

        """
        async with self.db.read_only() as session:
            _, at = await require_job(session, job_id, owner=owner)
            row = (await session.execute(_COPY, {"job_id": job_id, "file_id": file_id})).one_or_none()
            copy = await session.get(ArchivedFile, file_id)
            segment = None if copy is None else await session.get(MediaFile, copy.archive_id)
        if row is None or copy is None or segment is None or segment.state is not FileState.STORED:
            raise ArchivedFileNotFound(file_id)
        _require_current(segment, at)
        found = segment_of(self.store, segment.key, size_bytes=segment.size_bytes)
        opened = await TaskProgress().run(lambda: Opened(found))
        return OpenCopy(copy, Copy(*row), opened)

    async def verify(self, job_id: UUID, *, owner: str | None, progress: TaskProgress) -> int:
        """Read all of a run's archive again and compare it with its manifest and our rows; return its files.

        Raises:
            JobNotFound, JobGone, JobNotArchived: there is nothing to read.
            ArchiveDamaged, ObjectMissing: it is not what it should be.

        """
        async with self.db.read_only() as session:
            job, _ = await require_job(session, job_id, owner=owner)
            segments = (await _segments_of(session, [job.id])).get(job.id, [])
        if not segments:
            raise JobNotArchived(job_id)
        files = 0
        for segment in segments:
            proving = partial(prove, segment_of(self.store, segment.key, size_bytes=segment.size_bytes), progress)
            with await progress.run(proving) as found:
                async with self.db.read_only() as session:
                    files += await require_found(session, segment.id, found)
        return files


def select_archived(
    wanted: ArchivedFilter, *, after: ArchivedPosition | None, limit: int, now: datetime | None = None
) -> Select[AnalysisJob, datetime]:
    """Return the query of a page of archived runs; its order is that of an index, with an owner or without."""
    query = select(AnalysisJob, clock(now)).where(
        AnalysisJob.archived_at.is_not(None), AnalysisJob.deleted_at.is_(None)
    )
    if wanted.owner is not None:
        query = query.where(AnalysisJob.owner == wanted.owner)
    if wanted.archived_after is not None:
        query = query.where(AnalysisJob.archived_at >= wanted.archived_after)
    if wanted.archived_before is not None:
        query = query.where(AnalysisJob.archived_at < wanted.archived_before)
    if after is not None:
        query = query.where(tuple_(AnalysisJob.archived_at, AnalysisJob.id) < tuple_(after.archived_at, after.id))
    return query.order_by(AnalysisJob.archived_at.desc(), AnalysisJob.id.desc()).limit(limit)


async def _segments_of(session: AsyncSession, job_ids: Sequence[UUID]) -> dict[UUID, list[MediaFile]]:
    query = select(MediaFile).where(
        MediaFile.job_id.in_(job_ids), MediaFile.role == ARCHIVE_ROLE, MediaFile.state == FileState.STORED
    )
    found: dict[UUID, list[MediaFile]] = {}
    for segment in await session.scalars(query.order_by(MediaFile.job_id, MediaFile.ordinal)):
        if segment.job_id is not None:
            found.setdefault(segment.job_id, []).append(segment)
    return found


def _position_of(job: AnalysisJob) -> ArchivedPosition | None:
    return None if job.archived_at is None else ArchivedPosition(job.archived_at, job.id)


def _require_current(segment: MediaFile, now: datetime) -> None:
    if segment.expires_at is not None and segment.expires_at <= now:
        rule = RetentionRule.EXPLICIT_EXPIRY.value
        raise FileGone(segment.id, rule=rule, gone_at=segment.expires_at, deleted_at=None)
