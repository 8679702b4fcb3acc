"""What stays of a deleted job: what it was, when it was archived, who deleted it, and how much went with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import JobNotFound
from media_analysis.jobs.models import AnalysisJob, JobAudit
from media_analysis.retention.explain.queries import list_job_events
from media_analysis.retention.explain.timeline import Moment, tell_summary


@dataclass(frozen=True, kw_only=True)
class JobSummary:
    """The audit of a deleted job, and what happened to it."""

    audit: JobAudit
    restorable_until: datetime | None
    """All of it can come back until then; None is not at all."""
    timeline: Sequence[Moment]


async def summarise(session: AsyncSession, job_id: UUID, *, owner: str | None) -> JobSummary:
    """Return what stays of a deleted job.

    Raises:
        JobNotFound: unknown, or somebody else's.

    """
    audit = await session.get(JobAudit, job_id)
    if audit is None or owner not in {None, audit.owner}:
        raise JobNotFound(job_id)
    query = select(AnalysisJob.restorable_until).where(AnalysisJob.id == job_id)
    return JobSummary(
        audit=audit,
        restorable_until=(await session.scalars(query)).one_or_none(),
        timeline=tell_summary(audit, await list_job_events(session, job_id)),
    )
