"""The one transaction in which an archive takes the place of its originals (promises 18 and 19)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive import inventory, tasks
from media_analysis.archive.found import chunks_of
from media_analysis.archive.inventory import RunContents
from media_analysis.archive.models import ArchiveTask, ArchiveTaskStatus
from media_analysis.archive.tasks import TaskEnding
from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.deletion.selection import FileSelection
from media_analysis.deletion.tombstones import Freed, Order
from media_analysis.errors import RunChanged, UploadLeaseLost
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.files import archived, ledger
from media_analysis.files.ledger import Moved
from media_analysis.files.upload.storing import WrittenUpload, mark_stored
from media_analysis.jobs.archived import mark_archived
from media_analysis.jobs.deletion import lock_files
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import require_job
from media_analysis.jobs.uploads import JOBS_OF_UPLOADS
from media_analysis.states import RetentionRule

_COUNT_LEFT: Final = """
    SELECT count(*) FROM media_files
    WHERE {goes} AND NOT EXISTS (SELECT FROM archived_files AS copy WHERE copy.file_id = media_files.id)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A segment that is durable and was read back: its upload, and all that was found in it."""

    written: WrittenUpload
    found: IO[bytes]
    """A line for every file, as `Found` writes it."""

    @property
    def id(self) -> UUID:
        return self.written.registration.id


@dataclass(frozen=True)
class Commit:
    """Makes archives count: until its transaction is committed the originals are complete, from then on the archive."""

    db: Database
    kept_for: timedelta

    @retried
    async def run(
        self, task: ArchiveTask, contents: RunContents, segment: Segment | None, stats: dict[str, Any]
    ) -> Sequence[UUID]:
        """Replace the originals and return the outbox entries of their bytes.

        Raises:
            RunChanged: the run is another than the one that was packed, or another process has the task.
            JobGone, JobHeld, JobArchived: something stands against it by now.
            UploadLeaseLost: the segment was given up.

        """
        now = await self.db.now()
        async with self.db.transaction() as session:
            job, _ = await require_job(session, task.job_id, owner=None, lock=True)
            await lock_files(session, job.id)
            await inventory.require_archivable(session, job, now=now)
            fresh = await inventory.take_stock(session, job, now=now, kept_for=self.kept_for)
            order = Order(now=now, actor=task.requested_by, reason="archived")
            stored = [] if segment is None else await self._settle(session, segment)
            replaced = await self._delete_segments(session, fresh, order) if contents.rewrite else Freed()
            if segment is not None:
                await self._add_copies(session, segment, fresh)
            await self._require_same(session, fresh, segment)
            await archived.refresh_copies(session, fresh.going.condition, fresh.values)
            freed = replaced.plus(await fresh.going.write_tombstones(session, RetentionRule.ARCHIVED, order))
            await self._mark(session, job, fresh, segment, now)
            await self._tell(session, task, job, stats)
            archive_id = None if segment is None else segment.id
            ending = TaskEnding(status=ArchiveTaskStatus.COMPLETED, archive_id=archive_id, stats=stats)
            if not await tasks.mark_ended(session, task, ending):
                raise RunChanged(job.id)
            await ledger.move(session, [*stored, *freed.moved])
            failpoint("archive.committing")
        failpoint("archive.committed")
        return freed.purges

    async def _delete_segments(self, session: AsyncSession, contents: RunContents, order: Order) -> Freed:
        """Let go of an archive that holds copies of what was deleted since: the new one replaces all of it."""
        await archived.delete_copies(session, [contents.job_id])
        segments = FileSelection("job_id = :job_id AND role = 'archive'", {"job_id": contents.job_id})
        return await segments.write_tombstones(session, RetentionRule.ARCHIVED, order)

    async def _settle(self, session: AsyncSession, segment: Segment) -> list[Moved]:
        settled, moved = await mark_stored(session, [segment.written], jobs=JOBS_OF_UPLOADS)
        if segment.id not in settled:
            raise UploadLeaseLost(segment.id)
        return list(moved)

    async def _add_copies(self, session: AsyncSession, segment: Segment, contents: RunContents) -> None:
        await archived.mark_segment(session, segment.id, job_id=contents.job_id, segment=contents.segment)
        values = {**contents.values, "archive_id": segment.id}
        for chunk in chunks_of(segment.found):
            if await archived.add_copies(session, chunk, contents.going.condition, values) != len(chunk):
                raise RunChanged(contents.job_id)

    async def _require_same(self, session: AsyncSession, contents: RunContents, segment: Segment | None) -> None:
        left = await session.execute(text(_COUNT_LEFT.format(goes=contents.going.condition)), contents.values)
        beside = None if segment is None else segment.id
        if left.scalar_one() or await inventory.is_stale(session, contents, beside=beside):
            raise RunChanged(contents.job_id)

    async def _mark(
        self, session: AsyncSession, job: AnalysisJob, contents: RunContents, segment: Segment | None, now: datetime
    ) -> None:
        ends_at, archive_id = contents.ends_at, None if segment is None else segment.id
        await archived.date_segments(session, job.id, ends_at)
        await mark_archived(session, job.id, archived_at=now, archive_id=archive_id, ends_at=ends_at)

    async def _tell(self, session: AsyncSession, task: ArchiveTask, job: AnalysisJob, stats: dict[str, Any]) -> None:
        await add_event(session, job.id, EventType.JOB_ARCHIVED, {"status": job.status.value, "archived": True})
        act = Act(
            actor=task.requested_by, action=Action.ARCHIVED, owner=job.owner, job_id=job.id, details={"stats": stats}
        )
        await add_events(session, [act])
