"""What the originals of archives came to, as it was written down when they were packed."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.storage.category import Category

_TALLIES: Final = text("""
    SELECT archive_id, (stats->>'files')::bigint AS files, (stats->>'size_bytes')::bigint AS size_bytes
    FROM archive_tasks
    WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND kind = 'archive' AND status = 'completed'
        AND archive_id IS NOT NULL AND stats->>'files' IS NOT NULL AND stats->>'size_bytes' IS NOT NULL
""")

_SUM_CATEGORIES: Final = text("""
    SELECT category, count(*) AS files, sum(size_bytes)::bigint AS size_bytes
    FROM archived_files WHERE job_id = :job_id GROUP BY category ORDER BY category
""").columns(category=CATEGORY)


class OriginalsTally(NamedTuple):
    """How many files went into an archive, or a part of it, and their bytes before."""

    files: int
    size_bytes: int


async def list_tallies(session: AsyncSession, job_ids: Sequence[UUID]) -> Mapping[UUID, OriginalsTally]:
    """Return what went into the segments of runs, by segment; archives that others made tell nothing of it."""
    rows = await session.execute(_TALLIES, {"job_ids": list(job_ids)})
    return {row.archive_id: OriginalsTally(row.files, row.size_bytes) for row in rows}


async def sum_categories(session: AsyncSession, job_id: UUID) -> Mapping[Category, OriginalsTally]:
    """Return what of a run is in its archive, by category."""
    rows = await session.execute(_SUM_CATEGORIES, {"job_id": job_id})
    return {row.category: OriginalsTally(row.files, row.size_bytes) for row in rows}
