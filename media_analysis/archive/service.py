"""Asking for archives: of one run now, of all that are due by the schedule, and for what they hold back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive import inventory, room, tasks
from media_analysis.archive.due import BATCH, START, ArchiveTerms, list_due
from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind
from media_analysis.archive.tasks import NewTask
from media_analysis.db.database import Database, retried
from media_analysis.errors import ArchivedFileNotFound, JobGone, JobNotArchived, NothingToRestore
from media_analysis.files.archived import ArchivedFile
from media_analysis.files.models import MediaFile
from media_analysis.jobs.queries import require_job
from media_analysis.storage.store import Capacity, ObjectStore


@dataclass(frozen=True, slots=True)
class Requested:
    """How many runs a scheduled run asked for, and their bytes."""

    runs: int
    size_bytes: int


@dataclass(frozen=True)
class ArchiveService:
    """Writes down what is to be archived or restored; whoever executes finds it there."""

    db: Database
    store: ObjectStore
    terms: ArchiveTerms
    reserve_bytes: int
    announce: Callable[[], None]
    """Tells who executes in this process that a task may be waiting."""

    @retried
    async def request_archive(
        self, job_id: UUID, *, owner: str | None, actor: str, trigger: str = "request"
    ) -> ArchiveTask:
        """Ask for a run to be archived now, however young.

        Raises:
            JobNotFound, JobGone, JobArchived, JobNotEnded, JobHeld, NothingToArchive: it may not be, or need not.
            ArchiveTaskUnderWay: it is being archived or restored.

        """
        async with self.db.transaction() as session:
            job, now = await require_job(session, job_id, owner=owner, lock=True)
            await inventory.require_archivable(session, job, now=now)
            contents = await inventory.take_stock(session, job, now=now, kept_for=self.terms.kept_for)
            asked = NewTask(
                job_id=job_id,
                owner=job.owner,
                kind=ArchiveTaskKind.ARCHIVE,
                trigger=trigger,
                requested_by=actor,
                total_bytes=2 * contents.size_bytes,
            )
            task = await tasks.require_added(session, asked)
        self.announce()
        return task

    @retried
    async def request_restore(
        self,
        job_id: UUID,
        *,
        owner: str | None,
        actor: str,
        file_id: UUID | None = None,
        trigger: str = "request",
    ) -> ArchiveTask:
        """Ask for an archived run, or one file of it, to be brought back; whether there is room is looked at first.

        Raises:
            JobNotFound, JobGone, JobNotArchived, ArchivedFileNotFound, NothingToRestore: there is nothing to restore.
            QuotaReached, DiskReserveReached: there is no room for it.
            ArchiveTaskUnderWay: it is being archived or restored.

        """
        capacity = await self.store.capacity()
        async with self.db.transaction() as session:
            job, now = await require_job(session, job_id, owner=owner, lock=True)
            if job.archived_at is None:
                raise JobNotArchived(job_id)
            if job.expires_at is not None and job.expires_at <= now:
                raise JobGone(job_id, deleted_at=job.expires_at)  # as its content is, whether or not a sweep came by
            if file_id is not None:
                await _require_copy(session, job_id, file_id)
            needed_bytes = await self._require_room(session, job_id, file_id, capacity)
            asked = NewTask(
                job_id=job_id,
                owner=job.owner,
                kind=ArchiveTaskKind.RESTORE,
                trigger=trigger,
                requested_by=actor,
                file_id=file_id,
                total_bytes=needed_bytes,
            )
            task = await tasks.require_added(session, asked)
        self.announce()
        return task

    async def require_room(self, job_id: UUID, file_id: UUID | None) -> int:
        """Return how many bytes a restore would bring back, if there is room for them.

        Raises:
            ArchivedFileNotFound, NothingToRestore: the archive has no such file, or it is not only there.
            QuotaReached, DiskReserveReached: there is not.

        """
        capacity = await self.store.capacity()
        async with self.db.read_only() as session:
            if file_id is not None:
                await _require_copy(session, job_id, file_id)
            return await self._require_room(session, job_id, file_id, capacity)

    async def _require_room(self, session: AsyncSession, job_id: UUID, file_id: UUID | None, capacity: Capacity) -> int:
        return await room.require_room(session, job_id, file_id, capacity=capacity, reserve_bytes=self.reserve_bytes)

    @retried
    async def request_due(
        self, *, actor: str = "scheduler", trigger: str = "schedule", now: datetime | None = None
    ) -> Requested:
        """Ask for all runs whose time has come, the longest over first, up to the budget.

        Several at once ask for each run once. What they do not come to within the time of the budget is asked for anew
        the next time.
        """
        now = now or await self.db.now()
        claim_until = None if self.terms.budget is None else await self.db.now() + self.terms.budget
        runs, size_bytes, after = 0, 0, START
        async with self.db.transaction() as session:
            await tasks.delete_lapsed(session)
        while True:
            async with self.db.transaction() as session:
                due = await list_due(session, self.terms, now=now, after=after, limit=BATCH)
                for job in due:
                    if not self._fits(size_bytes + job.size_bytes, runs):
                        return Requested(runs, size_bytes)
                    asked = NewTask(
                        job_id=job.id,
                        owner=job.owner,
                        kind=ArchiveTaskKind.ARCHIVE,
                        trigger=trigger,
                        requested_by=actor,
                        claim_until=claim_until,
                        total_bytes=2 * job.size_bytes,
                    )
                    if await tasks.add_task(session, asked) is not None:
                        runs, size_bytes = runs + 1, size_bytes + job.size_bytes
            if len(due) < BATCH:
                return Requested(runs, size_bytes)
            after = due[-1].position

    def _fits(self, size_bytes: int, runs: int) -> bool:
        """Say whether the budget has room for that much; one run always is within it, or it would never be."""
        return self.terms.budget_bytes is None or size_bytes <= self.terms.budget_bytes or runs == 0


async def _require_copy(session: AsyncSession, job_id: UUID, file_id: UUID) -> None:
    copy = await session.get(ArchivedFile, file_id)
    if copy is None or copy.job_id != job_id:
        raise ArchivedFileNotFound(file_id)
    if await session.get(MediaFile, file_id) is not None:
        raise NothingToRestore(file_id)
