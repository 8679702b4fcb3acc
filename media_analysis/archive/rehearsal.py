"""What archiving would take, without asking for any of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select

from media_analysis.archive import inventory
from media_analysis.archive.service import BATCH, DUE, ArchiveTerms
from media_analysis.db.database import Database
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.queries import require_job

_START: Final = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A run that may be archived."""

    job_id: UUID
    folder_name: str
    owner: str
    ended_at: datetime | None
    size_bytes: int
    """What its files have before they are packed."""


@dataclass(frozen=True)
class Rehearsal:
    """Answers what would be archived; nothing is written."""

    db: Database
    terms: ArchiveTerms

    async def list_due(self, *, now: datetime | None = None) -> Sequence[Candidate]:
        """Return all runs whose time has come, the longest over first, whatever the budget."""
        now = now or await self.db.now()
        found: list[Candidate] = []
        after_at, after_id = _START, UUID(int=0)
        async with self.db.read_only() as session:
            while True:
                asked = {"now": now, "after": self.terms.after, "after_at": after_at, "after_id": after_id}
                due = (await session.execute(DUE, {**asked, "limit": BATCH})).all()
                query = select(AnalysisJob.id, AnalysisJob.folder_name).where(
                    AnalysisJob.id.in_([row.id for row in due])
                )
                names = {row.id: row.folder_name for row in await session.execute(query)}
                found += [
                    Candidate(
                        job_id=row.id,
                        folder_name=names[row.id],
                        owner=row.owner,
                        ended_at=row.ended_at,
                        size_bytes=row.size_bytes,
                    )
                    for row in due
                    if row.id in names
                ]
                if len(due) < BATCH:
                    return found
                after_at, after_id = due[-1].ended_at, due[-1].id

    async def require_candidate(self, job_id: UUID, *, owner: str | None) -> Candidate:
        """Return what archiving a run now would take, however young it is.

        Raises:
            JobNotFound, JobGone, JobArchived, JobNotEnded, JobHeld, NothingToArchive: it may not be, or need not.

        """
        async with self.db.read_only() as session:
            job, now = await require_job(session, job_id, owner=owner)
            await inventory.require_archivable(session, job, now=now)
            contents = await inventory.take_stock(session, job, now=now, kept_for=self.terms.kept_for)
        return Candidate(
            job_id=job.id,
            folder_name=job.folder_name,
            owner=job.owner,
            ended_at=job.restored_at or job.completed_at,
            size_bytes=contents.size_bytes,
        )
