"""How the tasks that somebody waits for are getting on, what their runs are called, and how much archives hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, select, text

from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.db.database import Database
from media_analysis.files.archived import ArchivedFile
from media_analysis.jobs.models import AnalysisJob

# One that nobody may begin any more is as good as ended for whoever waits.
_SUM: Final = text("""
    SELECT count(*) FILTER (WHERE status = 'running' OR (status = 'pending' AND coalesce(claim_until > now(), true)))
            AS open,
        coalesce(sum(CASE WHEN status = 'failed' THEN total_bytes ELSE done_bytes END), 0)::bigint AS done_bytes,
        coalesce(sum(total_bytes), 0)::bigint AS total_bytes
    FROM archive_tasks WHERE id = ANY(CAST(:ids AS uuid[]))
""")
_ENDS: Final = text("""
    SELECT count(*) AS files, min(expires_at) AS first_at, max(expires_at) AS last_at,
        count(*) FILTER (WHERE expires_at IS NULL) AS endless
    FROM media_files
    WHERE job_id = :job_id AND state = 'stored' AND category <> 'archives'
        AND id IN (SELECT file_id FROM archived_files WHERE job_id = :job_id)
        AND id = coalesce(CAST(:file_id AS uuid), id)
""")


class TasksProgress(NamedTuple):
    """How far some tasks are together."""

    open: int
    """How many are not over."""
    done_bytes: int
    total_bytes: int


class Held(NamedTuple):
    """What the archive of a run holds."""

    files: int
    size_bytes: int


class LivingFiles(NamedTuple):
    """How many files of a run that its archive knows are there, and until when they live."""

    files: int
    first_at: datetime | None
    last_at: datetime | None
    endless: int
    """How many of them have no end."""


@dataclass(frozen=True, slots=True)
class Named:
    """A task, and the folder of its run; None is a run that is gone."""

    task: ArchiveTask
    folder_name: str | None


@dataclass(frozen=True)
class TaskWatch:
    """Answers those who wait for tasks."""

    db: Database

    async def list_waiting(self, kind: ArchiveTaskKind) -> Sequence[UUID]:
        """Return all tasks of a kind that are not over, the eldest first."""
        open_ = [ArchiveTaskStatus.PENDING, ArchiveTaskStatus.RUNNING]
        query = select(ArchiveTask.id).where(ArchiveTask.kind == kind, ArchiveTask.status.in_(open_))
        async with self.db.read_only() as session:
            return (await session.scalars(query.order_by(ArchiveTask.id))).all()

    async def get_progress(self, ids: Sequence[UUID]) -> TasksProgress:
        """Return how far tasks are together; one that has failed counts as worked through."""

        async def read() -> TasksProgress:
            async with self.db.read_only() as session:
                return TasksProgress(*(await session.execute(_SUM, {"ids": list(ids)})).one())

        return await self.db.retry(read)

    async def list_named(self, ids: Sequence[UUID]) -> Sequence[Named]:
        """Return those of the tasks that still are known, in their order."""
        query = (
            select(ArchiveTask, AnalysisJob.folder_name)
            .join(AnalysisJob, AnalysisJob.id == ArchiveTask.job_id, isouter=True)
            .where(ArchiveTask.id.in_(ids))
            .order_by(ArchiveTask.id)
        )

        async def read() -> Sequence[Named]:
            async with self.db.read_only() as session:
                return [Named(task, folder_name) for task, folder_name in await session.execute(query)]

        return await self.db.retry(read)

    async def sum_held(self, job_ids: Sequence[UUID]) -> Mapping[UUID, Held]:
        """Return what the archives of these runs hold; a run without an archived file is not in it."""
        held: Any = func.sum(ArchivedFile.size_bytes)
        query = (
            select(ArchivedFile.job_id, func.count(), held)
            .where(ArchivedFile.job_id.in_(job_ids))
            .group_by(ArchivedFile.job_id)
        )
        async with self.db.read_only() as session:
            return {job_id: Held(files, int(size)) for job_id, files, size in await session.execute(query)}

    async def ends(self, job_id: UUID, file_id: UUID | None = None) -> LivingFiles:
        """Return until when a run's files live that were in its archive, or until when one of them does."""
        async with self.db.read_only() as session:
            return LivingFiles(*(await session.execute(_ENDS, {"job_id": job_id, "file_id": file_id})).one())
