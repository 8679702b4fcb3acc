"""Cancelling many jobs that wait, a batch in a transaction: what `ending.end_job` does to one, by sets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.jobs.attempts import leases, publishing
from media_analysis.jobs.events import add_event_to_all
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import JobFilter

BATCH: Final = 1000

# As the index has it, which a parameter would hide from the planner.
_WAITING: Final[ColumnElement[bool]] = text("status = 'pending'")  # type: ignore[assignment]
_CANCEL: Final = text("""
    UPDATE analysis_jobs SET status = 'cancelled', completed_at = CAST(:now AS timestamptz),
        leased_until = NULL, retry_at = NULL, fence = fence + 1, error_code = NULL, error = NULL,
        expires_at = coalesce(expires_at, CAST(:now AS timestamptz) + make_interval(secs => lifetime_seconds))
    WHERE id = ANY(CAST(:job_ids AS uuid[]))
""")


async def cancel_batch(session: AsyncSession, wanted: JobFilter, *, after: UUID, now: datetime) -> Sequence[UUID]:
    """Cancel the first jobs behind an id that fit and waited by then; return their ids, in order: `BATCH` at most.

    Those that somebody claims meanwhile are passed over.
    """
    query = (
        select(AnalysisJob.id)
        .where(*wanted.conditions(), _WAITING, AnalysisJob.deleted_at.is_(None))
        .where(AnalysisJob.id > after, AnalysisJob.created_at <= now)
        .order_by(AnalysisJob.id)
        .limit(BATCH)
        .with_for_update()
    )
    ids = (await session.scalars(query)).all()
    if ids:
        await leases.lock_sources(session, ids)
        await session.execute(_CANCEL, {"job_ids": ids, "now": now})
        await leases.release_sources(session, ids)
        await publishing.discard_results(session, ids)
        await add_event_to_all(session, ids, "status", {"status": JobStatus.CANCELLED, "error": None})
    return ids
