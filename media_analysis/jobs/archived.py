"""What an archive held, for the summary that stays of a run."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_SUM_COPIES: Final = text("""
    SELECT category::text, count(*) AS files, sum(size_bytes)::bigint AS size_bytes
    FROM archived_files WHERE job_id = :job_id GROUP BY category ORDER BY category
""")
_SUM_SEGMENTS: Final = text("""
    SELECT count(*) AS segments, coalesce(sum(size_bytes), 0)::bigint AS size_bytes FROM (
        SELECT size_bytes FROM media_files WHERE job_id = :job_id AND role = 'archive' AND state <> 'pending'
        UNION ALL
        SELECT stone.size_bytes FROM tombstones AS stone WHERE stone.id = ANY(ARRAY(
            SELECT DISTINCT archive_id FROM archived_files WHERE job_id = :job_id
        ))
    ) AS segment
""")


async def sum_archive(session: AsyncSession, job_id: UUID) -> dict[str, Any]:
    """Return what a run's archive holds: originals by category, segments, their bytes, and how far they shrank them."""
    copies = (await session.execute(_SUM_COPIES, {"job_id": job_id})).all()
    segments, packed_bytes = (await session.execute(_SUM_SEGMENTS, {"job_id": job_id})).one()
    original_bytes = sum(row.size_bytes for row in copies)
    return {
        "categories": {row.category: {"files": row.files, "size_bytes": row.size_bytes} for row in copies},
        "files": sum(row.files for row in copies),
        "original_bytes": original_bytes,
        "segments": segments,
        "packed_bytes": packed_bytes,
        "compression_ratio": round(original_bytes / packed_bytes, 3) if packed_bytes else None,
    }
