"""How archiving stands, for whoever watches it: what waits, what failed, what is late."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from sqlalchemy import Interval, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.due import ArchiveTerms, list_due
from media_analysis.archive.models import ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.archive.suite import ArchiveServices
from media_analysis.db.database import Database, clock

RECENT: Final = timedelta(hours=26)
"""A day and a margin: the next scheduled archiving ends a failure, or renews it, before it is forgotten."""
_OPEN: Final = text("""
    SELECT kind::text, status::text, count(*) AS tasks FROM archive_tasks
    WHERE status IN ('pending', 'running') GROUP BY kind, status
""")
_FAILED: Final = text("""
    SELECT failed.kind::text, coalesce(failed.error_code, '') AS reason, count(DISTINCT failed.job_id) AS runs
    FROM archive_tasks AS failed
    WHERE failed.kind IN ('archive', 'restore') AND failed.status = 'failed' AND failed.ended_at IS NOT NULL
        AND failed.ended_at > CAST(:now AS timestamptz) - :recent
        AND EXISTS (SELECT FROM analysis_jobs AS job WHERE job.id = failed.job_id AND job.deleted_at IS NULL)
        AND NOT EXISTS (
            SELECT FROM archive_tasks AS later WHERE later.job_id = failed.job_id AND later.id > failed.id
                AND later.kind = failed.kind AND later.status = 'completed'
        )
    GROUP BY failed.kind, reason
""").bindparams(bindparam("recent", type_=Interval))
_DAMAGED: Final = text("""
    SELECT count(*) FROM media_files WHERE last_error IS NOT NULL AND role = 'archive' AND state = 'stored'
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveFigures:
    """How archiving stands at one moment."""

    open_tasks: Mapping[tuple[ArchiveTaskKind, ArchiveTaskStatus], int]
    """Tasks that wait or run."""
    failures: Mapping[tuple[str, str], int]
    """By kind and reason, runs whose archiving or restoring failed of late and has not succeeded since."""
    damaged: int
    """Archives whose bytes are damaged or missing, by the last scrub that read them."""
    oldest_due_seconds: float
    """For how long the longest waiting run should have been archived; what is held does not wait."""


@dataclass(frozen=True)
class FigureService:
    """Reads the figures of archives from their tables."""

    db: Database
    terms: ArchiveTerms

    @classmethod
    def of(cls, archives: ArchiveServices) -> Self:
        """Return the figures of a process's archives."""
        return cls(archives.db, archives.requests.terms)

    async def read(self, *, now: datetime | None = None) -> ArchiveFigures:
        """Return how archiving stands.

        Raises:
            DatabaseUnavailable: nobody can say.

        """

        async def look() -> ArchiveFigures:
            async with self.db.read_only() as session:
                return await self._look(session, now)

        return await self.db.retry(look)

    async def _look(self, session: AsyncSession, now: datetime | None) -> ArchiveFigures:
        at: datetime = (await session.execute(select(clock(now)))).scalar_one()
        waiting = (await session.execute(_OPEN)).all()
        failed = (await session.execute(_FAILED, {"now": at, "recent": RECENT})).all()
        return ArchiveFigures(
            open_tasks={(ArchiveTaskKind(row.kind), ArchiveTaskStatus(row.status)): row.tasks for row in waiting},
            failures={(row.kind, row.reason): row.runs for row in failed},
            damaged=(await session.execute(_DAMAGED)).scalar_one(),
            oldest_due_seconds=await self._lateness(session, at),
        )

    async def _lateness(self, session: AsyncSession, now: datetime) -> float:
        due = await list_due(session, self.terms, now=now, limit=1)
        return (now - due[0].ended_at - self.terms.after).total_seconds() if due else 0.0
