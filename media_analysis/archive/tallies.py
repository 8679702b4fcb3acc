"""What the originals of archives came to, as it was written down when they were packed."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_TALLIES: Final = text("""
    SELECT archive_id, (stats->>'files')::bigint AS files, (stats->>'size_bytes')::bigint AS size_bytes
    FROM archive_tasks
    WHERE job_id = ANY(CAST(:job_ids AS uuid[])) AND kind = 'archive' AND status = 'completed'
        AND archive_id IS NOT NULL AND stats->>'files' IS NOT NULL AND stats->>'size_bytes' IS NOT NULL
""")


class OriginalsTally(NamedTuple):
    """How many files went into a segment, and their bytes before."""

    files: int
    size_bytes: int


async def list_tallies(session: AsyncSession, job_ids: Sequence[UUID]) -> Mapping[UUID, OriginalsTally]:
    """Return what went into the segments of runs, by segment; archives that others made tell nothing of it."""
    rows = await session.execute(_TALLIES, {"job_ids": list(job_ids)})
    return {row.archive_id: OriginalsTally(row.files, row.size_bytes) for row in rows}
