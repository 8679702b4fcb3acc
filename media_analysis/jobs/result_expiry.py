"""When a result ends, if somebody asks for another instant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database
from media_analysis.jobs.models import AnalysisResult
from media_analysis.jobs.results import require_result


@dataclass(frozen=True)
class ResultExpiryService:
    """Sets the ends of single results, audited; those of a whole run move with their job."""

    db: Database

    async def change(
        self,
        result_id: UUID,
        *,
        expires_at: datetime | None,
        owner: str | None,
        actor: str,
        now: datetime | None = None,
    ) -> AnalysisResult:
        """Set when a result ends, None to keep it until its job is deleted.

        Raises:
            ResultNotFound: there is no visible result of that id for this owner.

        """

        async def write() -> AnalysisResult:
            async with self.db.transaction() as session:
                result = await require_result(session, result_id, owner=owner, now=now, lock=True)
                result.expires_at = expires_at
                await session.flush()
                await add_events(session, [_extended(result, actor)])
                return result

        return await self.db.retry(write)


def _extended(result: AnalysisResult, actor: str) -> Act:
    # Not told of its job as such: that would read as a new end of the whole run.
    ends_at = None if result.expires_at is None else result.expires_at.isoformat()
    details = {"result_id": str(result.id), "of_job": str(result.job_id), "expires_at": ends_at}
    return Act(actor=actor, action=Action.EXTENDED, owner=result.owner, details=details)
