"""Bringing a run, or one file of it, back from its archive: all of it or nothing, and only what our rows know."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.archive.landing import Landing, sink_for
from media_analysis.archive.models import ArchiveTask
from media_analysis.archive.packing import segment_of
from media_analysis.archive.progress import TaskProgress
from media_analysis.archive.room import require_room
from media_analysis.archive.unarchiving import Returned, bring_back
from media_analysis.archive.unpacking import COPIES, Copy, CopyWindow, Opened
from media_analysis.columns import CATEGORY
from media_analysis.db.database import Database
from media_analysis.deletion.deleter import Deleter
from media_analysis.errors import ArchiveDamaged, ArchivedFileNotFound, JobNotArchived, NothingToRestore
from media_analysis.failpoints import failpoint
from media_analysis.files.archived import ArchivedFile
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.protocol import PendingUploads, UploadProtocol
from media_analysis.jobs.queries import require_job
from media_analysis.media.types.known import extension_of
from media_analysis.storage.keys import object_key
from media_analysis.storage.store import ObjectStore, ObjectWriter
from media_analysis.storage.writing import BUFFER_BYTES

PAGE: Final = 1_024
"""Files whose rows are read at once."""
WINDOW: Final = 256
"""Files that share their transactions and are synced together; the names of two windows are open at once."""
WINDOW_BYTES: Final = 12 * 2**20
"""How much of them may wait in memory for that, while as much is being synced."""

_OPEN_PURGES: Final = text("""
    SELECT DISTINCT purges.id FROM archived_files AS copy JOIN tombstones AS stone ON stone.id = copy.file_id
    JOIN purges ON purges.id = stone.purge_id
    WHERE copy.job_id = :job_id AND purges.confirmed_at IS NULL AND purges.due_at IS NOT NULL
""")
_COUNT_LOST: Final = text("""
    SELECT count(*) FROM archived_files AS copy
    WHERE copy.job_id = :job_id AND copy.file_id = coalesce(CAST(:file_id AS uuid), copy.file_id)
        AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
        AND NOT EXISTS (
            SELECT FROM media_files AS segment WHERE segment.id = copy.archive_id AND segment.state = 'stored'
        )
""")
_PAGE: Final = text(f"""
    {COPIES}
    WHERE copy.archive_id = :archive_id AND copy.file_id = coalesce(CAST(:file_id AS uuid), copy.file_id)
        AND (copy.frame_offset, copy.skip_bytes) > (:frame, :skip)
    ORDER BY copy.frame_offset, copy.skip_bytes LIMIT :limit
""").columns(category=CATEGORY)


@dataclass(frozen=True)
class Restorer:
    """Restores runs; whatever breaks off leaves the archive as it was, and at most abandoned uploads."""

    db: Database
    store: ObjectStore
    protocol: UploadProtocol
    deleter: Deleter
    kept_for: timedelta

    async def run(self, task: ArchiveTask, progress: TaskProgress) -> None:
        """Restore what a claimed task asks for.

        Raises:
            JobNotFound, JobGone, JobNotArchived, ArchivedFileNotFound, NothingToRestore: there is nothing to restore.
            QuotaReached, DiskReserveReached: there is no room; nothing was written.
            ArchiveDamaged, ObjectMissing: the archive is not what our rows say; nothing is taken from it.
            BytesStillGoing, RunChanged, DatabaseUnavailable, StoreUnavailable: try again later.

        """
        began = time.monotonic()
        await self.deleter.store.require_marker()
        segments = await self._find(task)
        capacity, reserve_bytes = await self.store.capacity(), self.protocol.reserve_bytes
        async with self.db.read_only() as session:
            progress.total_bytes = await require_room(
                session, task.job_id, task.file_id, capacity=capacity, reserve_bytes=reserve_bytes
            )
        await self._finish_purges(task.job_id)
        failpoint("unarchive.planned")
        progress.begin("restoring")
        staged: list[Returned] = []
        async with self.protocol.pending() as uploads:
            async with Landing(self.store) as landing:
                for segment in segments:
                    async for window, copy in self._windows(task, segment, progress):
                        staged += await self._copy_window(uploads, landing, window, progress, copy)
            stats = {
                "files": len(staged),
                "size_bytes": progress.total_bytes,
                "seconds": round(time.monotonic() - began, 3),
            }
            failpoint("unarchive.staged")
            back = partial(bring_back, self.db, task, staged, kept_for=self.kept_for, stats=stats)
            await self.db.over_conflicts(back)

    async def _find(self, task: ArchiveTask) -> Sequence[MediaFile]:
        """Return the segments that are to be read."""
        async with self.db.read_only() as session:
            job, _ = await require_job(session, task.job_id, owner=None)
            if job.archived_at is None:
                raise JobNotArchived(job.id)
            copies = select(ArchivedFile.archive_id).where(ArchivedFile.job_id == job.id)
            if task.file_id is not None:
                copies = copies.where(ArchivedFile.file_id == task.file_id)
                await _require_absent(session, task.file_id)
            if lost := await session.scalar(_COUNT_LOST, {"job_id": job.id, "file_id": task.file_id}):
                raise ArchiveDamaged(f"{lost} of its files lie in segments that are gone")
            query = select(MediaFile).where(MediaFile.id.in_(copies)).order_by(MediaFile.ordinal)
            segments = (await session.scalars(query)).all()
        if task.file_id is not None and not segments:
            raise ArchivedFileNotFound(task.file_id)
        return segments

    async def _finish_purges(self, job_id: UUID) -> None:
        async with self.db.read_only() as session:
            purges = (await session.scalars(_OPEN_PURGES, {"job_id": job_id})).all()
        await self.deleter.purge_entries(purges)

    async def _windows(
        self, task: ArchiveTask, segment: MediaFile, progress: TaskProgress
    ) -> AsyncIterator[tuple[Sequence[Copy], CopyWindow]]:
        """Yield the files of a segment that are wanted, some at a time, and what reads them, checking each."""
        found = segment_of(self.store, segment.key, size_bytes=segment.size_bytes)
        with closing(await progress.run(lambda: Opened(found))) as opened:
            async for page in self._pages(segment.id, task.file_id):
                for window in _cut(page):
                    yield window, opened.copy_next if task.file_id is None else opened.copy_one
            if task.file_id is None:
                await progress.run(opened.require_end)

    async def _pages(self, archive_id: UUID, file_id: UUID | None) -> AsyncIterator[Sequence[Copy]]:
        after = (-1, -1)
        while True:
            asked = {"archive_id": archive_id, "file_id": file_id, "frame": after[0], "skip": after[1], "limit": PAGE}
            async with self.db.read_only() as session:
                rows = (await session.execute(_PAGE, asked)).all()
            if not rows:
                return
            yield [Copy(*row) for row in rows]
            after = (rows[-1].frame_offset, rows[-1].skip_bytes)

    async def _copy_window(
        self,
        uploads: PendingUploads,
        landing: Landing,
        window: Sequence[Copy],
        progress: TaskProgress,
        copy: CopyWindow,
    ) -> Sequence[Returned]:
        missing = [one for one in window if not one.lives]
        wanted = [_register_as(one) for one in missing]
        writers: Sequence[ObjectWriter] = ()
        if wanted:
            await uploads.register(*wanted)
            failpoint("unarchive.registered")
            writers = await uploads.create(*wanted)
        try:
            sinks = {
                one.file_id: sink_for(writer, one.size_bytes, progress)
                for one, writer in zip(missing, writers, strict=True)
            }
            await progress.run(lambda: copy(window, sinks, progress))
            failpoint("unarchive.written")
            await landing.begin(sinks.values())
        except BaseException:
            for writer in writers:
                writer.close()
            raise
        return [Returned(asked.id, one.file_id) for asked, one in zip(wanted, missing, strict=True)]


def _cut(rows: Sequence[Copy]) -> Iterator[Sequence[Copy]]:
    """Yield as many of the next files as may wait together for their sync, each with a buffer; one always."""
    while rows:
        sums = accumulate(min(row.size_bytes, BUFFER_BYTES) for row in rows[:WINDOW])
        taken = max(1, sum(buffered <= WINDOW_BYTES for buffered in sums))
        yield rows[:taken]
        rows = rows[taken:]


async def _require_absent(session: AsyncSession, file_id: UUID) -> None:
    if await session.get(MediaFile, file_id) is not None:
        raise NothingToRestore(file_id)


def _register_as(copy: Copy) -> Registration:
    """Stage a copy under an id of its own: until all are there it is an upload like any other, nobody's when we die."""
    staged_id = uuid7()
    key = object_key(
        copy.category,
        staged_id,
        extension=extension_of(copy.media_type),
        day=datetime.now(UTC),
        parent_id=copy.parent_id,
        job_id=copy.job_id,
    )
    return Registration(
        id=staged_id,
        owner=copy.owner,
        category=copy.category,
        key=key,
        filename=copy.filename,
        media_type=copy.media_type,
        reserved_bytes=copy.size_bytes,
    )
