"""Sources in use: pinned while their job waits, leased while it runs, let go when it ends (rule `job_lease`)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.models import MediaFile
from media_analysis.files.queries import next_due
from media_analysis.jobs.models import AnalysisJob, JobSource, JobStatus

# Locked in one order everywhere: jobs first, then files by id.
_LOCK_SOURCES = text("""
    SELECT FROM media_files WHERE id IN (SELECT file_id FROM job_sources WHERE job_id = :job_id) ORDER BY id FOR UPDATE
""")
_LEASE = text("""
    WITH locked AS (
        SELECT id FROM media_files
        WHERE id IN (SELECT file_id FROM job_sources WHERE job_id = :job_id) AND state = 'stored'
        ORDER BY id FOR UPDATE
    )
    UPDATE media_files AS file SET leased_until = greatest(leased_until, :until), version = version + 1
    FROM locked WHERE file.id = locked.id
""")
# Whoever just stages or deletes one is not waited for: sources are locked already, and ids of both are in one order.
_RENEW_PRODUCTS = text("""
    UPDATE media_files SET due_at = now() + make_interval(secs => :seconds)
    WHERE id = ANY(ARRAY(
        SELECT id FROM media_files
        WHERE job_id = :job_id AND job_fence = :fence AND role IS NOT NULL AND state = 'pending'
            AND sha256 IS NOT NULL AND due_at < now() + make_interval(secs => :seconds / 2)
        ORDER BY id FOR UPDATE SKIP LOCKED
    ))
""")

_RELEASED_BY = bindparam("released_by", type_=Uuid())
_STILL_LEASED = (
    select(func.max(func.greatest(AnalysisJob.leased_until, AnalysisJob.pinned_until)))
    .join(JobSource, JobSource.job_id == AnalysisJob.id)
    .where(
        JobSource.file_id == MediaFile.id,
        AnalysisJob.id != _RELEASED_BY,
        AnalysisJob.status.in_([JobStatus.PENDING, JobStatus.RUNNING]),
    )
    .scalar_subquery()
)
_RELEASE = (
    update(MediaFile)
    .where(
        MediaFile.id.in_(select(JobSource.file_id).where(JobSource.job_id == _RELEASED_BY)),
        MediaFile.leased_until.is_not(None),
    )
    .values(leased_until=_STILL_LEASED, due_at=next_due(), version=MediaFile.version + 1)
    .execution_options(synchronize_session=False)
)


async def lease_sources(session: AsyncSession, job_id: UUID, until: datetime) -> None:
    """Keep the sources of a locked job at least until then, whatever else their retention says."""
    await session.execute(_LEASE, {"job_id": job_id, "until": until})


async def renew_products(session: AsyncSession, job_id: UUID, *, fence: int, seconds: float) -> None:
    """Keep the staged products of a run; only those whose time is half over are written."""
    await session.execute(_RENEW_PRODUCTS, {"job_id": job_id, "fence": fence, "seconds": seconds})


async def lock_sources(session: AsyncSession, job_id: UUID) -> None:
    """Lock the sources of a locked job, before anything that comes after files."""
    await session.execute(_LOCK_SOURCES, {"job_id": job_id})


async def release_sources(session: AsyncSession, job_id: UUID) -> None:
    """Let go of the sources of a locked job that waits and runs no more; other jobs keep what they lease."""
    await lock_sources(session, job_id)
    await session.execute(_RELEASE, {"released_by": job_id})
