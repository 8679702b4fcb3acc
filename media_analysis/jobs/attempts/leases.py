"""Sources in use: pinned while their job waits, leased while it runs, let go when it ends (rule `job_lease`)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.driver import Executes
from media_analysis.files.transitions import LEASE, RELEASE
from media_analysis.files.upload.leases import renewal

# Locked in one order everywhere: jobs first, then files by id. What a job works with is found by the job, whatever the
# planner knows: a source may be that of thousands.
_LOCK_SOURCES = text("""
    SELECT FROM media_files
    WHERE id = ANY(ARRAY(SELECT file_id FROM job_sources WHERE job_id = ANY(CAST(:job_ids AS uuid[]))))
    ORDER BY id FOR UPDATE
""")
_LEASE = text(f"""
    WITH locked AS (
        SELECT id FROM media_files
        WHERE id = ANY(ARRAY(SELECT file_id FROM job_sources WHERE job_id = ANY(CAST(:job_ids AS uuid[]))))
            AND state = 'stored'
        ORDER BY id FOR UPDATE
    ), kept AS (
        UPDATE job_sources SET until = :until
        WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND (until < :until OR until IS NULL)
    )
    {LEASE}
""")  # noqa: S608 - a fragment of ours
# Whoever just stages or deletes one is not waited for: sources are locked already, and ids of both are in one order.
_RENEW_PRODUCTS = renewal(
    "job_id = :job_id AND job_fence = :fence AND role IS NOT NULL AND sha256 IS NOT NULL", below=0.5
)

_KEPT_BY_OTHERS = """(
    SELECT max(other.until) FROM job_sources AS other
    WHERE other.file_id = file.id AND other.until IS NOT NULL AND other.job_id <> ALL(CAST(:job_ids AS uuid[]))
)"""
# Where another job keeps a file for longer, nothing of the file changes.
_RELEASE = text(f"""
    WITH kept AS (
        SELECT file_id, max(until) AS until FROM job_sources
        WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND until IS NOT NULL GROUP BY file_id
    ), let_go AS (
        UPDATE job_sources SET until = NULL WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND until IS NOT NULL
    )
    {RELEASE.format(others=_KEPT_BY_OTHERS)}
""")  # noqa: S608 - fragments of ours


async def lease_sources(session: Executes, job_ids: Sequence[UUID], until: datetime) -> None:
    """Keep the sources of locked jobs at least until then, whatever else their retention says."""
    await session.execute(_LEASE, {"job_ids": job_ids, "until": until})


async def renew_products(session: AsyncSession, job_id: UUID, *, fence: int, seconds: float) -> None:
    """Keep the staged products of a run; only those whose time is half over are written."""
    await session.execute(_RENEW_PRODUCTS, {"job_id": job_id, "fence": fence, "lease_seconds": seconds})


async def lock_sources(session: Executes, job_ids: Sequence[UUID]) -> None:
    """Lock the sources of locked jobs, before anything that comes after files."""
    await session.execute(_LOCK_SOURCES, {"job_ids": job_ids})


async def release_sources(session: Executes, job_ids: Sequence[UUID]) -> None:
    """Let go of the locked sources of locked jobs that wait and run no more; other jobs keep what they lease."""
    await session.execute(_RELEASE, {"job_ids": job_ids})
