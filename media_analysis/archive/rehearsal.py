"""What archiving would take, without asking for any of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from media_analysis.archive import inventory
from media_analysis.archive.due import BATCH, START, ArchiveTerms, list_due
from media_analysis.db.database import Database
from media_analysis.jobs.queries import require_job


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveCandidate:
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

    async def list_due(self, *, now: datetime | None = None) -> Sequence[ArchiveCandidate]:
        """Return all runs whose time has come, the longest over first, whatever the budget."""
        now = now or await self.db.now()
        found: list[ArchiveCandidate] = []
        after = START
        async with self.db.read_only() as session:
            while due := await list_due(session, self.terms, now=now, after=after, limit=BATCH):
                found += [
                    ArchiveCandidate(
                        job_id=run.id,
                        folder_name=run.folder_name,
                        owner=run.owner,
                        ended_at=run.ended_at,
                        size_bytes=run.size_bytes,
                    )
                    for run in due
                ]
                after = due[-1].position
        return found

    async def require_candidate(self, job_id: UUID, *, owner: str | None) -> ArchiveCandidate:
        """Return what archiving a run now would take, however young it is.

        Raises:
            JobNotFound, JobGone, JobArchived, JobNotEnded, JobHeld, NothingToArchive: it may not be, or need not.

        """
        async with self.db.read_only() as session:
            job, now = await require_job(session, job_id, owner=owner)
            await inventory.require_archivable(session, job, now=now)
            contents = await inventory.take_stock(session, job, now=now, kept_for=self.terms.kept_for)
        return ArchiveCandidate(
            job_id=job.id,
            folder_name=job.folder_name,
            owner=job.owner,
            ended_at=job.restored_at or job.completed_at,
            size_bytes=contents.size_bytes,
        )
