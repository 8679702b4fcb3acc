"""Deleting whole jobs: what waits or runs is stopped, and everything of the job goes, in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.analysis.control import stop_job
from media_analysis.db.database import Database, retried
from media_analysis.failpoints import failpoint
from media_analysis.jobs.models import AnalysisJob
from media_analysis.retention.deletion import Deleter
from media_analysis.retention.removal import jobs
from media_analysis.retention.removal.jobs import JobRemoval
from media_analysis.retention.removal.requests import DeletionRequest


@dataclass(frozen=True)
class RemovalService:
    """Deletes jobs with all that is theirs; `owner=None` is an administrator."""

    db: Database
    deleter: Deleter

    async def preview(
        self, job_id: UUID, asked: DeletionRequest, *, owner: str | None, now: datetime | None = None
    ) -> JobRemoval:
        """Say what a deletion would take, what would stay, and what stands against it; nothing changes.

        Raises:
            JobNotFound, JobGone: there is nothing to delete.

        """
        now = now or await self.db.now()
        async with self.db.read_only() as session:
            job = await jobs.find_removable(session, job_id, owner=owner, for_good=asked.for_good, lock=False)
            return await self._weigh(session, job, asked, now)

    @retried
    async def delete(
        self, job_id: UUID, asked: DeletionRequest, *, owner: str | None, now: datetime | None = None
    ) -> JobRemoval:
        """Delete a job, its files and its results; a job that waits or runs is cancelled by the same transaction.

        Its sources stay. The bytes go after the commit; what a crash leaves of them is on the outbox.

        Raises:
            JobNotFound, JobGone, JobHeld: there is nothing to delete, or it may not go.
            MarkerMismatch, DatabaseUnavailable: nothing was deleted.

        """
        await self.deleter.store.require_marker()
        now = now or await self.db.now()
        async with self.db.transaction() as session:
            job = await jobs.find_removable(session, job_id, owner=owner, for_good=asked.for_good, lock=True)
            kept_for = self.deleter.strategy.kept_for(asked)
            haul = await self.deleter.begin(session, asked, now=now, kept_for=kept_for)
            await jobs.lock_files(session, job_id)
            weighed = await self._weigh(session, job, asked, now)
            jobs.require_unprotected(weighed)
            if weighed.stops:
                await stop_job(session, job, now)
            await jobs.take_job(session, job, weighed, haul)
            failpoint("job.deleting")
        failpoint("job.deleted")
        pending = await self.deleter.purge_entries(haul.purges)
        return replace(weighed, deleted_at=now, pending=pending)

    async def _weigh(
        self, session: AsyncSession, job: AnalysisJob, asked: DeletionRequest, now: datetime
    ) -> JobRemoval:
        kept_for = self.deleter.strategy.kept_for(asked)
        weighed = await jobs.weigh_job(session, job, now=now, with_trash=kept_for is None)
        return replace(weighed, restorable_until=None if kept_for is None else now + kept_for)
