"""Reading jobs, as their owner sees them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from media_analysis.db.database import Database
from media_analysis.errors import JobNotFound
from media_analysis.jobs import queries
from media_analysis.jobs.models import AnalysisJob


@dataclass(frozen=True)
class JobService:
    """What an owner may see of a job; `owner=None` is an administrator's view of all."""

    db: Database

    async def get(
        self, job_id: UUID, *, owner: str | None, now: datetime | None = None
    ) -> tuple[AnalysisJob, datetime]:
        """Return a job and the instant it was looked at, by which its hold stands or has ended.

        Raises:
            JobNotFound: unknown, deleted, or somebody else's.

        """

        async def read() -> tuple[AnalysisJob, datetime]:
            async with self.db.read_only() as session:
                found = await queries.get_job(session, job_id, owner=owner, now=now)
            if found is None:
                raise JobNotFound(job_id)
            return found

        return await self.db.retry(read)
