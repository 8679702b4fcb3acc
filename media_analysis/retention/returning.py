"""Bringing runs back from wherever they are: the trash, the archive, or both."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from media_analysis.archive.models import ArchiveTask
from media_analysis.archive.service import ArchiveService
from media_analysis.db.database import Database, clock
from media_analysis.errors import JobGone
from media_analysis.jobs.models import AnalysisJob
from media_analysis.retention.restoring import Restoration, RestoreService


@dataclass(frozen=True)
class ReturnService:
    """Restores runs: out of the trash at once, out of the archive by a task; `owner=None` is an administrator."""

    db: Database
    requests: ArchiveService
    trash: RestoreService

    async def restore(
        self, job_id: UUID, *, owner: str | None, actor: str, file_id: UUID | None = None
    ) -> Restoration | ArchiveTask:
        """Take a run out of the trash, and ask for an archived one, or one file of it, to be unpacked.

        Raises:
            JobNotFound, JobGone: unknown, somebody else's, or gone for good.
            JobNotArchived, ArchivedFileNotFound, NothingToRestore: no archive has the file that is asked for.
            QuotaReached, DiskReserveReached: there is no room for it.
            ArchiveTaskUnderWay: it is being archived or restored.

        """
        archived_at, deleted_at = await self._stand_of(job_id, owner)
        if archived_at is None and file_id is None:
            return await self.trash.restore_job(job_id, owner=owner, actor=actor)
        if deleted_at is not None and archived_at is not None:
            await self.requests.require_room(job_id, file_id)  # or it would leave the trash for nothing
            await self.trash.restore_job(job_id, owner=owner, actor=actor)
        return await self.requests.request_restore(job_id, owner=owner, actor=actor, file_id=file_id)

    async def _stand_of(self, job_id: UUID, owner: str | None) -> tuple[datetime | None, datetime | None]:
        query = select(AnalysisJob, clock(None)).where(AnalysisJob.id == job_id)
        async with self.db.read_only() as session:
            mine = query if owner is None else query.where(AnalysisJob.owner == owner)
            row = (await session.execute(mine)).one_or_none()
        if row is None:
            return None, None
        job, now = row
        if job.deleted_at is not None and (job.restorable_until is None or job.restorable_until <= now):
            raise JobGone(job_id, deleted_at=job.deleted_at)
        return job.archived_at, job.deleted_at
